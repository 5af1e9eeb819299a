# SPDX-License-Identifier: GPL-2.0
#
# The front door. `make help` lists what there is.

CARGO ?= cargo
LAB := $(CURDIR)/out/target/debug/lab
lab-flags = $(if $(KERNEL),--kernel=$(KERNEL)) $(if $(TIME),--time=$(TIME)) \
	$(if $(ACCEL),--accel=$(ACCEL)) $(if $(SHIFT),--shift=$(SHIFT))

# Passed on to kbuild as they are.
kbuild-variables = $(foreach name,CLIPPY W V C,$(if $($(name)),$(name)=$($(name))))

.PHONY: all
all: modules

.PHONY: lab
lab:
	@$(CARGO) build --quiet --manifest-path=tools/Cargo.toml --package=lab --target-dir=out/target

ifneq ($(KDIR),)
.PHONY: modules
modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR) MO=$(CURDIR)/out/modules $(kbuild-variables) modules
else
.PHONY: modules
modules: lab
	@$(LAB) $(lab-flags) modules $(kbuild-variables)
endif

.PHONY: setup shell
setup shell: lab
	@$(LAB) $(lab-flags) $@
