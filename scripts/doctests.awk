# SPDX-License-Identifier: GPL-2.0
#
# Prints a module whose KUnit tests are the examples in the documentation of the crate. Each is
# named after its file, with its number there:
#
#     awk -f scripts/doctests.awk rust/async_probe/abstractions/*.rs > doctests.rs

BEGIN {
	print "// SPDX-License-Identifier: GPL-2.0\n"
	print "//! The examples in the documentation of the crate, by scripts/doctests.awk.\n"
	print "use kernel::prelude::*;\n"
	print "module! {"
	print "    type: Doctests,"
	print "    name: \"doctests\","
	print "    authors: [\"The async_probe authors\"],"
	print "    description: \"The examples in the documentation of the crate\","
	print "    license: \"GPL\","
	print "}\n"
	print "/// The module."
	print "struct Doctests;\n"
	print "impl kernel::Module for Doctests {"
	print "    fn init(_module: &'static ThisModule) -> Result<Self> {"
	print "        Ok(Self)"
	print "    }"
	print "}\n"
	print "#[kunit_tests(async_probe_doctests)]"
	print "mod tests {"
	print "    use kernel::prelude::*;"
}

FNR == 1 {
	name = FILENAME
	sub(/.*\//, "", name)
	sub(/\.rs$/, "", name)
	number = 0
	block = ""
}

!/^ *\/\/[\/!]/ {
	next
}

{
	sub(/^ *\/\/[\/!] ?/, "")
}

/^```/ {
	if (block == "example")
		print "    }"
	if (block != "")
		block = ""
	else if ($0 == "```") {
		block = "example"
		printf "\n    #[test]\n    fn %s_%d() -> Result {\n", name, ++number
	} else
		block = "text"
	next
}

block == "example" {
	# A line after `# ` is a part of the example that the documentation does not show.
	sub(/^# /, "")
	print ($0 == "" ? "" : "        " $0)
}

END {
	print "}"
}
