// SPDX-License-Identifier: GPL-2.0

//! The virtual machine, as the command line describes it.

use clap::{Args, Command, FromArgMatches, ValueEnum};

/// How the guest's clock runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Time {
    /// The clock counts instructions; sleeping costs nothing; every run is the same.
    Virtual,
    /// The host's clock; processors run in parallel.
    Wall,
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Accel {
    /// QEMU's translator, which works everywhere.
    Tcg,
    /// The host's processor; real time only.
    Kvm,
}

/// The machine.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Virtual machine")]
pub(crate) struct Machine {
    /// How the guest's clock runs
    #[arg(long, value_enum, default_value_t = Time::Virtual)]
    pub time: Time,
    /// What executes the guest's instructions
    #[arg(long, value_enum, default_value_t = Accel::Tcg)]
    pub accel: Accel,
    /// Virtual time: one instruction takes 2^SHIFT ns
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=10))]
    pub shift: u8,
    /// Processors
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub smp: u8,
    /// NUMA nodes, which share processors and memory evenly
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub nodes: u8,
    /// Whether figures are measured here that are compared with those of other runs
    #[arg(skip = true)]
    pub exact: bool,
    /// Memory in MiB
    #[arg(long, default_value_t = 1024)]
    pub memory: u32,
    /// Virtual time: whether a guest may go on from a snapshot of one that has booted
    #[arg(long, value_name = "0|1", default_value = "1", action = clap::ArgAction::Set,
          value_parser = clap::builder::BoolishValueParser::new())]
    pub snapshot: bool,
    /// What is random in the guest comes from it: the same seed gives the same run
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// More arguments of QEMU's
    #[arg(skip)]
    pub qemu: String,
    /// Whether these are devices that can be plugged in after the boot, and what they need
    #[arg(skip)]
    pub plugs: bool,
    /// More for the kernel's command line
    #[arg(long, default_value = "")]
    pub append: String,
    /// Whether the guest may have the lab plug devices in and out
    #[arg(skip)]
    pub hotplug: bool,
    /// Seconds of guest time that a job may take
    #[arg(long, default_value_t = 900)]
    pub deadline: u32,
    /// Seconds of wall time that the virtual machine may take
    #[arg(long, default_value_t = 600)]
    pub wall_deadline: u32,
}

impl Machine {
    /// What is not as by default, in the words of the command line, and decides what a run shows.
    pub(crate) fn changes(&self) -> String {
        let default = Self::of(&[]).words();
        let words = self.words().into_iter().zip(default);
        let changes = words.filter_map(|(own, default)| (own != default).then_some(own));
        changes.collect::<Vec<_>>().join(" ")
    }

    /// All of that, in the words of the command line.
    fn words(&self) -> [String; 8] {
        fn named(value: &impl ValueEnum) -> String {
            let value = value.to_possible_value();
            value.map_or_else(String::new, |value| value.get_name().to_owned())
        }
        [
            format!("--time={}", named(&self.time)),
            format!("--accel={}", named(&self.accel)),
            format!("--shift={}", self.shift),
            format!("--smp={}", self.smp),
            format!("--nodes={}", self.nodes),
            format!("--memory={}", self.memory),
            format!("--seed={}", self.seed),
            format!("--append={}", self.append),
        ]
    }

    /// The machine of these words.
    pub(crate) fn of(words: &[&str]) -> Self {
        let command = Self::augment_args(Command::new("machine").no_binary_name(true));
        let of = Self::from_arg_matches(&command.get_matches_from(words));
        of.unwrap_or_else(|error| error.exit())
    }

    /// The same machine, with more on the kernel's command line behind what is there.
    #[must_use]
    pub(crate) fn with_parameters(&self, more: &str) -> Self {
        Self {
            append: format!("{} {more}", self.append).trim().to_owned(),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_by_default() {
        assert_eq!(Machine::of(&[]).changes(), "");
        assert_eq!(Machine::of(&["--snapshot=0", "--deadline=1"]).changes(), "");
        let changes = "--time=wall --accel=kvm --shift=1 --smp=8 --nodes=2 --memory=512 --seed=3 \
                       --append=quiet";
        let args: Vec<&str> = changes.split_whitespace().collect();
        assert_eq!(Machine::of(&args).changes(), changes);
    }
}
