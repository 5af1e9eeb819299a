# SPDX-License-Identifier: GPL-2.0
#
# The front door: each target calls the lab (tools/lab), which sets up what is
# missing. `make modules KDIR=...` does without it, as any out-of-tree module.

CARGO ?= cargo
export CARGO

LAB := out/target/debug/lab
# A variable as it was given, quoted for the shell; and an option with it, if it was given.
quoted = '$(subst ','\'',$(value $(1)))'
option = $(if $(value $(2)),--$(1)=$(call quoted,$(2)))
# FLAG=1 asks for it; FLAG=0 does not.
flag = $(if $(filter-out 0,$($(2))),--$(1))

# make -s says less, V=1 more.
SAYS = $(if $(findstring s,$(filter-out --%,$(firstword -$(MAKEFLAGS)))),--quiet) $(call flag,verbose,V)

KERNEL_FLAGS = $(call option,kernel,KERNEL) $(call option,arch,ARCH)
LAB_FLAGS = $(KERNEL_FLAGS) $(call option,time,TIME) $(call option,accel,ACCEL) \
	$(call option,shift,SHIFT) $(call option,seed,SEED) $(call option,snapshot,SNAPSHOT)

DEVICE_FLAGS = $(call option,device,DEVICE) $(call option,qemu,QEMU)

# Static, so that it runs on any machine of this architecture. The target is named so that build
# scripts and macros are not built statically.
HOST = $(shell $(CARGO) -vV | sed -n 's/^host: //p')
PROBE_ANALYZE = out/target/$(HOST)/release/probe-analyze

# Passed on to kbuild as they are.
KBUILD_VARIABLES = $(foreach name,CLIPPY W V C,$(if $($(name)),$(name)=$($(name))))

.PHONY: all modules run report what-if diff check check-driver devices census fleet-demo bench bench-compare determinism boot-stall boot-demo boots in-tree patch-series timeline shell setup docs pages fuzz style kselftest-install clean clean-cache help lab probe-analyze probe-analyze-data install-probe-analyze probe-analyze-deb

all: modules

ifdef KDIR
modules:
	@[ ! -L out/modules ] || rm out/modules
	$(MAKE) -C $(KDIR) M=$(CURDIR) MO=$(CURDIR)/out/modules $(KBUILD_VARIABLES) modules
else
modules: lab
	@$(LAB) $(SAYS) modules $(KERNEL_FLAGS) $(KBUILD_VARIABLES)
endif

run: lab
	@$(LAB) $(SAYS) run $(LAB_FLAGS) $(DEVICE_FLAGS) $(call flag,json,JSON)

shell: lab
	@$(LAB) $(SAYS) shell $(LAB_FLAGS) $(DEVICE_FLAGS)

setup docs: lab
	@$(LAB) $(SAYS) $@ $(KERNEL_FLAGS)

check: lab
	@$(LAB) $(SAYS) check $(LAB_FLAGS) $(call option,partition,PARTITION) $(call option,join,JOIN) $(call flag,list,LIST) $(call flag,json,JSON) -- $(call quoted,TESTS)

check-driver: lab
	@$(LAB) $(SAYS) check-driver $(LAB_FLAGS) $(DEVICE_FLAGS) $(call option,src,SRC) $(call option,with,WITH) \
		$(call option,params,PARAMS) $(call option,before,BEFORE) $(call option,after,AFTER) $(call option,undo,UNDO) $(call option,kernels,KERNELS) \
		$(call option,firmware,FIRMWARE) $(call option,step-deadline,DEADLINE) -- $(call quoted,MODULE)

devices: lab
	@$(LAB) $(SAYS) devices $(LAB_FLAGS) -- $(call quoted,WORD)

census: lab
	@$(LAB) $(SAYS) census $(LAB_FLAGS) $(call option,partition,PARTITION) $(call flag,join,JOIN) \
		$(call flag,document,DOCUMENT) -- $(call quoted,WORD)

# A Slurm of one node and two workers, one of which is killed.
fleet-demo: lab
	@scripts/fleet/demo.sh

bench: lab
	@$(LAB) $(SAYS) bench $(LAB_FLAGS) $(BENCH) $(call option,devices,DEVICES) $(call option,quick,QUICK) \
		$(call flag,wall,WALL) $(call flag,document,DOCUMENT)

bench-compare: lab
	@$(LAB) $(SAYS) bench-compare $(call option,base,BASE) $(call flag,force,FORCE)

determinism: lab
	@$(LAB) $(SAYS) determinism $(LAB_FLAGS) $(call option,runs,N)

boot-stall: lab
	@$(LAB) $(SAYS) boot-stall $(LAB_FLAGS)

boot-demo: lab
	@$(LAB) $(SAYS) boot-demo $(LAB_FLAGS) $(DEVICE_FLAGS)

boots: lab
	@$(LAB) $(SAYS) boots $(filter-out --kernel=%,$(LAB_FLAGS)) $(call flag,document,DOCUMENT) -- \
		$(call quoted,BOOTS)

in-tree: lab
	@$(LAB) $(SAYS) in-tree $(LAB_FLAGS) -- $(call quoted,TESTS)

# A kernel tree: where it is not given, what KERNEL=custom was built from.
ifndef LINUX
LINUX := $(lastword $(sort $(wildcard \
	$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/async-probe/kernels/source-*)))
endif

patch-series:
	$(if $(LINUX),,$(error no kernel tree: LINUX=DIR names one, make run KERNEL=custom gets one))
	@scripts/make-patch-series.sh $(call quoted,LINUX) out/patch-series

# The log of the last `make run`, unless LOG= names another one.
LOG_FILE = $(if $(value LOG),$(call quoted,LOG),out/run/results.log)
BOOT_OF_LOG = $(if $(BOOT),--boot=$(BOOT))
FORM = $(call flag,all,ALL) $(call flag,json,JSON)

report: probe-analyze
	@$(PROBE_ANALYZE) report $(FORM) $(BOOT_OF_LOG) -- $(LOG_FILE)

what-if: probe-analyze
	@$(PROBE_ANALYZE) what-if $(FORM) $(BOOT_OF_LOG) $(call option,driver,DRIVER) -- $(LOG_FILE)

timeline: probe-analyze
	@$(PROBE_ANALYZE) timeline --out=out/timeline $(BOOT_OF_LOG) -- $(LOG_FILE)

diff: probe-analyze
	@$(PROBE_ANALYZE) diff $(FORM) -- $(foreach name,A B,$(if $(value $(name)),$(call quoted,$(name))))

# Follows the pages to the letter: what they build, run and print.
pages: lab
	@cd tools && $(CARGO) test --quiet --package=lab --test=pages --target-dir=../out/target -- \
		--include-ignored --nocapture --test-threads=1

# 10^7 inputs, in about 40 minutes of a core. With cargo-fuzz: cargo install cargo-fuzz.
# There is no unsafe code that a sanitizer would watch.
fuzz:
	@$(CARGO) fuzz --version >/dev/null 2>&1 || \
		{ echo 'cargo-fuzz is missing: cargo install cargo-fuzz' >&2; exit 1; }
	@mkdir -p out/fuzz/corpus
	@cp tools/lifecycle/tests/recordings/*.txt tools/lifecycle/tests/logs/*.txt \
		tools/lifecycle/tests/posted/* out/fuzz/corpus
	@cd tools/lifecycle && RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --sanitizer=none \
		--target-dir=$(CURDIR)/out/fuzz/target logs $(CURDIR)/out/fuzz/corpus -- \
		-runs=$(or $(RUNS),2500000) -max_len=2048 -timeout=10 -artifact_prefix=$(CURDIR)/out/fuzz/

style: lab
	@CARGO='$(CARGO)' LAB='$(LAB)' scripts/check-style.sh

kselftest-install: lab
	@$(LAB) $(SAYS) install $(KERNEL_FLAGS) -- $(if $(value INSTALL_PATH),$(call quoted,INSTALL_PATH),out/kselftest)

clean:
	rm -rf out

clean-cache: lab
	@$(LAB) $(SAYS) clean-cache

# What takes minutes the first time says what it does.
lab:
	@scripts/prerequisites.sh
	@$(CARGO) build $(if $(wildcard $(LAB)),--quiet) --manifest-path=tools/Cargo.toml --package=lab --target-dir=out/target

probe-analyze:
	@RUSTFLAGS='-C target-feature=+crt-static' $(CARGO) build --quiet --release --target=$(HOST) \
		--manifest-path=tools/Cargo.toml --package=probe-analyze --target-dir=out/target

# Its man pages and the completions of shells.
probe-analyze-data: probe-analyze
	@rm -rf out/probe-analyze
	@$(PROBE_ANALYZE)-data out/probe-analyze

PREFIX ?= /usr/local
install-probe-analyze: probe-analyze-data
	@install -D $(PROBE_ANALYZE) '$(DESTDIR)$(PREFIX)/bin/probe-analyze'
	@cd out/probe-analyze && \
		find share -type f -exec install -D -m 644 '{}' '$(DESTDIR)$(PREFIX)/{}' ';'
	@echo 'installed: $(DESTDIR)$(PREFIX)/bin/probe-analyze'

probe-analyze-deb: probe-analyze-data
	@$(CARGO) deb --version >/dev/null 2>&1 || \
		{ echo 'cargo-deb is missing: cargo install cargo-deb' >&2; exit 1; }
	@cd tools && $(CARGO) deb --quiet --no-build --no-strip --target=$(HOST) \
		--package=probe-analyze --output=$(CURDIR)/out/probe-analyze

help:
	@echo '  make run                boots the stock kernel, insmods the samples, shows where the time went; JSON=1'
	@echo '  make report LOG=FILE    what a log tells: who took how long, who waited for whom; ALL=1, JSON=1, BOOT=N'
	@echo '  make what-if LOG=FILE   which drivers to probe asynchronously, and what is saved then; DRIVER=a,b'
	@echo '  make diff A=FILE B=FILE what is different between two logs'
	@echo '  make check              all tests of host and guest; TESTS=<part of a name> runs some,'
	@echo '                          LIST=1 prints their names, JSON=1 the results as JSON;'
	@echo '                          PARTITION=2/3 runs a part, JOIN=3 adds three parts up'
	@echo '  make check-driver       any driver: its laws, its timing, whether it would gain; MODULE=foo.ko'
	@echo '                          or SRC=DIR, which is built first;'
	@echo '                          WITH="bar.ko a=1" PARAMS="b=2" BEFORE= AFTER= FIRMWARE=DIR DEADLINE=100'
	@echo '                          DEVICE="nvme,mdts=4 e1000e" on devices of QEMU, QEMU="-device edu" as it is;'
	@echo '                          both also for make run and make shell'
	@echo '  make devices WORD=usb   the device models of QEMU, and which modules of the kernel take them'
	@echo '  make census             checks all modules of the kernel on the devices that they take; goes on'
	@echo '                          where it was ended; WORD=nvme some, DOCUMENT=1 writes the page, PARTITION=1/3'
	@echo '                          the first of three parts, JOIN=1 only says what is missing'
	@echo '  make fleet-demo         parts of the census on a Slurm of one node, one of whose workers is killed'
	@echo '  make bench              designs, Rust against C, memory, sizes; BENCH=costs measures a part,'
	@echo '                          DEVICES=8,64 and QUICK=10,1000 choose how many devices there are,'
	@echo '                          WALL=1 times make run and make check, DOCUMENT=1 renews the documentation'
	@echo '  make bench-compare      fails if the last benchmark is worse than BASE=FILE (default: that of the'
	@echo '                          documentation); FORCE=1 though it was measured on something else'
	@echo '  make determinism        runs the demonstration N=10 times, and fails if two runs differ in a byte'
	@echo '  make boot-stall         how long slow drivers that are built in stall the boot (custom kernel)'
	@echo '  make boot-demo          a Debian with a slow driver records its boot; asks what-if, boots as advised;'
	@echo '                          DEVICE="igb ahci" chooses the devices of the machine'
	@echo '  make boots              boots slow drivers, and compares what-if with the same boots as advised;'
	@echo '                          BOOTS=<part of a name or kernel>, DOCUMENT=1 renews the documentation'
	@echo '  make in-tree            builds all in the kernel tree, as modules and built in, and tests that;'
	@echo '                          TESTS=<part of a name> runs some (custom kernel)'
	@echo '  make patch-series       writes the series for the kernel itself as patches for LINUX=DIR, and checks them'
	@echo '  make timeline LOG=FILE  pictures of a log (out/run/results.log): SVG, a page, a trace for Perfetto'
	@echo '  make                    the modules, in out/modules'
	@echo '  make modules KDIR=DIR   the modules for a kernel that you built, without the lab'
	@echo '  make shell              a shell in the virtual machine; without a terminal it runs stdin:'
	@echo '                          echo "ls /modules" | make -s shell'
	@echo '  make probe-analyze      the program behind report, timeline and diff, static: no lab, no kernel'
	@echo '  make install-probe-analyze'
	@echo '                          installs it with man pages and completions: PREFIX=/usr/local DESTDIR='
	@echo '  make probe-analyze-deb  a Debian package of it, in out/probe-analyze'
	@echo '  make lab                the program that does all this, out/target/debug/lab'
	@echo '  make setup              the root file system and the kernel only'
	@echo '  make docs               the documentation as HTML, with that of the crate, in out/docs'
	@echo '  make pages              runs the commands of the pages that show output, and compares it'
	@echo '  make fuzz               fuzzes what reads logs, and the reports: RUNS=2500000 texts, four inputs of each (cargo-fuzz)'
	@echo '  make style              checks the style of all files'
	@echo '  make kselftest-install  guest programs and modules as a kselftest, in INSTALL_PATH (out/kselftest)'
	@echo '  make clean              removes out/'
	@echo '  make clean-cache        removes downloads, root file system, kernels and snapshots'
	@echo
	@echo 'Variables:'
	@echo '  KERNEL=stock | stock:7.2 | DIR      newest stock kernel, one of a series, or a built tree'
	@echo '  KERNEL=stock:6.12 | stock:6.1       stock kernels without Rust: check-driver, shell'
	@echo '  KERNEL=custom | debug | debug-remove | debug-kcsan | driver-domain |'
	@echo '         debug-driver-domain | hardware'
	@echo '                                      one of scripts/kernel, which is built first (5 to 40 minutes,'
	@echo '                                      debug and debug-remove twice that)'
	@echo '  TIME=virtual | wall                 instructions as the clock (default), or real time'
	@echo '  SEED=N                              what is random in the guest comes from it (default 1)'
	@echo '  SNAPSHOT=0                          boots, and does not go on from a snapshot of a guest that has booted'
	@echo '  SHIFT=N                             virtual time: 2^N ns per instruction (default 0)'
	@echo '  ACCEL=tcg | kvm                     kvm needs TIME=wall'
	@echo '  DEBIAN_MIRROR=URL                   where packages come from (default: as apt on this host)'
	@echo '  XDG_CACHE_HOME=DIR                  the cache is in DIR/async-probe (default ~/.cache; 3 GB, with all kernels 9 GB)'
	@echo '  CLIPPY=1 W=1 V=1 C=1                passed on to kbuild'
	@echo '  make -s, V=1                        only failures and results; all that is said'
