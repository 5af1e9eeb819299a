// SPDX-License-Identifier: GPL-2.0

//! `boot-line`: what it prints for kernels that are not the one that runs the test.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::run::{expect, Output};

/// The functions that a boot is recorded with, and the variable that one of them reads.
const SYMBOLS: &[&str] = &[
    "trace_kprobe_create",
    "really_probe",
    "async_synchronize_cookie_domain",
    "do_init_module",
    "async_run_entry_fn",
    "driver_register",
    "async_probe_drv_names",
    "_request_firmware",
    "__request_module",
    "async_schedule_node_domain",
    "async_schedule_dev_nocall",
    "driver_bound",
    "device_add",
    "__driver_attach_async_helper",
    "__device_attach_async_helper",
    "device_attach",
    "device_release_driver_internal",
    "device_del",
];

/// A kernel that has these symbols.
struct Kernel {
    directory: TempDir,
}

impl Kernel {
    fn with(symbols: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let lines = symbols
            .iter()
            .map(|name| format!("ffffffff81000000 t {name}\n"));
        let kernel = Self { directory };
        fs::write(kernel.file("map"), lines.collect::<String>()).unwrap();
        fs::write(kernel.file("blacklist"), "0x1-0x2\tnmi_handle\n").unwrap();
        kernel
    }

    fn without(symbol: &str) -> Self {
        let rest: Vec<&str> = SYMBOLS.iter().copied().filter(|of| *of != symbol).collect();
        Self::with(&rest)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    #[track_caller]
    fn boot_line(&self, more: &[&str], code: i32) -> Output {
        let (map, blacklist) = (self.file("map"), self.file("blacklist"));
        let mut args = vec![
            "boot-line",
            "--kernel=7.3.4+deb13-amd64",
            "--arch=x86_64",
            "--command-line=root=/dev/sda1 ro quiet",
            "--system-map",
            map.to_str().unwrap(),
            "--blacklist",
            blacklist.to_str().unwrap(),
        ];
        args.extend(more);
        expect(&args, code)
    }

    fn json(&self, more: &[&str]) -> Value {
        let output = self.boot_line(&[&["--json"], more].concat(), 0);
        serde_json::from_str(&output.stdout).unwrap()
    }
}

/// Text without its line breaks.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The functions that are recorded, or are not.
fn functions(answer: &Value, recorded: bool) -> Vec<&str> {
    let points = answer["points"].as_array().unwrap();
    points
        .iter()
        .filter(|point| point["recorded"] == recorded)
        .map(|point| point["function"].as_str().unwrap())
        .collect()
}

#[test]
fn all_of_it_fits_on_x86_64() {
    let kernel = Kernel::with(SYMBOLS);
    let line = kernel.boot_line(&["--quiet"], 0).stdout;
    assert_eq!(line.lines().count(), 1);
    assert!(line.starts_with(
        "kprobe_event=r1024:probe_end,really_probe,ret=$retval:s32;\
         p:probe,really_probe,dev=+0(+0(%di)):string,"
    ));
    assert!(line.ends_with(
        " trace_buf_size=8M trace_clock=global trace_options=nooverwrite \
         trace_event=printk:console\n"
    ));
    // The kernel splits the parameters at blanks, and the kprobes at `;`.
    assert_eq!(line.split(' ').count(), 5);
    assert!(!line.contains(";;") && !line.contains('"'));

    let answer = kernel.json(&[]);
    assert_eq!(functions(&answer, false), [""; 0]);
    assert_eq!(answer["limit"], 2047);
    let length = "root=/dev/sda1 ro quiet ".len() + line.trim_end().len();
    assert_eq!(answer["length"], length);
    assert!(answer["notes"].as_array().unwrap().is_empty());
}

#[test]
fn what_does_not_fit_is_named_and_the_limit_holds() {
    let kernel = Kernel::with(SYMBOLS);
    let long = "x".repeat(1000);
    let answer = kernel.json(&["--command-line", &long]);
    assert!(answer["length"].as_u64().unwrap() <= 2047);
    assert!(functions(&answer, false).contains(&"device_del"));
    // What matters most is there.
    let recorded = functions(&answer, true);
    assert!(recorded.starts_with(&["really_probe", "async_synchronize_cookie_domain"]));

    let text = unwrapped(&kernel.boot_line(&["--command-line", &long], 0).stdout);
    assert!(
        text.contains("device_del (drivers/base/core.c): no room: "),
        "{text}"
    );

    let answer = kernel.json(&["--arch=riscv64"]);
    assert_eq!(answer["limit"], 1023);
    let line = answer["line"].as_str().unwrap();
    assert!(line.contains("dev=+0(+0(%a0)):string") && !line.contains("%di"));

    let full = "x".repeat(2000);
    let output = kernel.boot_line(&["--command-line", &full], 10);
    assert!(output.stderr.contains("no probe would be seen"));
}

#[test]
fn a_function_that_cannot_be_recorded_is_left_out_and_what_is_lost_is_said() {
    let kernel = Kernel::without("async_schedule_dev_nocall");
    let answer = kernel.json(&[]);
    assert_eq!(functions(&answer, false), ["async_schedule_dev_nocall"]);
    assert!(!answer["line"].as_str().unwrap().contains("nocall"));
    let text = unwrapped(&kernel.boot_line(&[], 0).stdout);
    assert!(
        text.contains(
            "this kernel has no such function; the time for which an asynchronous probe was due is \
             not seen"
        ),
        "{text}"
    );

    // A variable that a kprobe reads counts as well.
    let answer = Kernel::without("async_probe_drv_names").json(&[]);
    assert_eq!(functions(&answer, false), ["driver_register"]);

    let kernel = Kernel::with(SYMBOLS);
    fs::write(kernel.file("blacklist"), "0x1-0x2\tdevice_add\n").unwrap();
    let text = unwrapped(&kernel.boot_line(&[], 0).stdout);
    assert!(
        text.contains("device_add (drivers/base/core.c): it is in the kprobe blacklist"),
        "{text}"
    );

    for (instead, why) in [
        (
            "device_del.isra.0",
            "the compiler made device_del.isra.0 of it",
        ),
        ("device_del.cold", "this kernel has no such function"),
        ("device_del\t[a_module]", "this kernel has no such function"),
    ] {
        let others = SYMBOLS.iter().copied().filter(|of| *of != "device_del");
        let symbols: Vec<&str> = others.chain([instead]).collect();
        let text = unwrapped(&Kernel::with(&symbols).boot_line(&[], 0).stdout);
        let said = format!("device_del (drivers/base/core.c): {why}");
        assert!(text.contains(&said), "{text}");
    }

    let kernel = Kernel::with(&[SYMBOLS, &["device_add"]].concat());
    let text = unwrapped(&kernel.boot_line(&[], 0).stdout);
    assert!(
        text.contains("this kernel has 2 functions of that name"),
        "{text}"
    );
}

#[test]
fn a_kernel_that_cannot_be_recorded_at_all() {
    let output = Kernel::without("really_probe").boot_line(&[], 10);
    assert!(output.stderr.contains("no probe would be seen"));
    assert!(output.stderr.contains("initcall_debug"));
    let output = Kernel::without("trace_kprobe_create").boot_line(&[], 10);
    assert!(output.stderr.contains("CONFIG_KPROBE_EVENTS"));
    let output = Kernel::with(SYMBOLS).boot_line(&["--kernel=4.19.0"], 10);
    assert!(output.stderr.contains("too old"));
}

#[test]
fn what_was_not_checked_is_said() {
    let output = expect(&["boot-line", "--kernel=7.3.4-nowhere", "--arch=arm64"], 0);
    let text = unwrapped(&output.stdout);
    assert!(text.contains("the functions were not checked"), "{text}");
    assert!(text.contains("was taken for 200 bytes"), "{text}");
}

#[test]
fn wrong_command_lines() {
    let kernel = Kernel::with(SYMBOLS);
    let output = kernel.boot_line(&["--arch=vax"], 2);
    assert!(output
        .stderr
        .contains("name one of x86_64, aarch64, riscv64"));
    kernel.boot_line(&["--kernel=newest"], 2);
    let output = kernel.boot_line(&["--system-map=/nonexistent"], 8);
    assert!(output.stderr.contains("/nonexistent"));
    fs::write(
        kernel.file("map"),
        "ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n",
    )
    .unwrap();
    let output = kernel.boot_line(&[], 8);
    assert!(output.stderr.contains("Debian's System.map is empty"));
}

/// What the kernel gets when a boot loader has read the file that was made for it.
#[test]
fn shells_and_boot_loaders_leave_the_line_as_it_is() {
    let kernel = Kernel::with(SYMBOLS);
    let line = kernel.boot_line(&["--quiet"], 0).stdout;
    let of = |loader: &str| kernel.boot_line(&["--for", loader], 0).stdout;
    let shell = |script: &str| {
        let output = Command::new("sh").args(["-c", script]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };

    // grub-mkconfig's value, and what a shell, whose quotes are those of GRUB, makes of it.
    let grub = format!("GRUB_CMDLINE_LINUX=ro; {}\n", of("grub"));
    let value = shell(&format!("{grub}printf %s \"$GRUB_CMDLINE_LINUX\""));
    assert_eq!(shell(&format!("echo {value}")), format!("ro {line}"));

    assert_eq!(of("systemd-boot"), format!("options {line}"));

    let u_boot = of("u-boot").replace("setenv probe_analyze ", "probe_analyze=");
    let u_boot = u_boot.replace("setenv bootargs ", "bootargs=");
    let bootargs = shell(&format!("bootargs=ro\n{u_boot}\necho \"$bootargs\""));
    assert_eq!(bootargs, format!("ro {line}"));

    let qemu = shell(&format!("set -- {}; echo \"$2\"", of("qemu").trim_end()));
    assert_eq!(qemu, line);
}
