// SPDX-License-Identifier: GPL-2.0

//! The steps of an asynchronous domain, as the test module `domain_test.ko` prints them.

/// What a wait waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The functions that were scheduled before this one.
    Before(u32),
    /// This function, and those before it.
    Through(u32),
    /// All functions.
    All,
    /// All functions, and the domain has been dropped.
    Dropped,
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `scheduled <n>`: the function of this number has been scheduled.
    Scheduled(u32),
    /// `ended <n>`: it is about to return.
    Ended(u32),
    /// `waited before <n>`, `waited through <n>`, `waited all`, `waited dropped`: a wait returned.
    Waited(Until),
}

/// Reads lines, given without the prefix of the module.
///
/// # Errors
///
/// The first line that is not understood.
pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Vec<Step>, String> {
    lines
        .into_iter()
        .map(|line| step(line).ok_or_else(|| format!("not a step: `{line}`")))
        .collect()
}

fn step(line: &str) -> Option<Step> {
    let words: Vec<_> = line.split_whitespace().collect();
    Some(match *words.as_slice() {
        ["scheduled", n] => Step::Scheduled(n.parse().ok()?),
        ["ended", n] => Step::Ended(n.parse().ok()?),
        ["waited", "before", n] => Step::Waited(Until::Before(n.parse().ok()?)),
        ["waited", "through", n] => Step::Waited(Until::Through(n.parse().ok()?)),
        ["waited", "all"] => Step::Waited(Until::All),
        ["waited", "dropped"] => Step::Waited(Until::Dropped),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads() {
        assert_eq!(
            parse(["scheduled 1", "waited before 2", "waited dropped"]),
            Ok(vec![
                Step::Scheduled(1),
                Step::Waited(Until::Before(2)),
                Step::Waited(Until::Dropped)
            ])
        );
        for line in [
            "",
            "scheduled",
            "scheduled x",
            "waited",
            "waited for 1",
            "ended 1 2",
        ] {
            assert!(parse([line]).is_err(), "{line}");
        }
    }
}
