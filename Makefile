# flinkd: one Makefile, no recursion into folders. `make help` lists the targets.
#
# A variant is a build directory of its own:
#   make                        build/            release, hardened
#   make SAN=address,undefined  build-asan/       sanitizers (SAN=thread: build-tsan/)
#   make FAILPOINTS=1           build-fail/       named crash points (common/base/failpoint.h)
#   make SAN=... FAILPOINTS=1   build-asan-fail/
# BUILD=dir puts a variant elsewhere. WERROR=1 (the default when CI is set): warnings are errors.

VERSION := 0.1.0
PREFIX ?= /usr/local
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
CLANG ?= clang
CLANG_TIDY ?= clang-tidy
CLANG_FORMAT ?= clang-format
SHELLCHECK ?= shellcheck
PKG_CONFIG ?= pkg-config
FUZZ_SECONDS ?= 60
WERROR ?= $(if $(CI),1)

comma := ,
san_dir := $(if $(SAN),-$(if $(filter thread,$(SAN)),tsan,asan))
BUILD ?= build$(san_dir)$(if $(FAILPOINTS),-fail)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# ---- what there is -----------------------------------------------------------------------------

DAEMONS := watcher reconciler jobsubmitter statusreporter webhook
PROGRAMS := $(patsubst %/main.c,%,$(wildcard $(addsuffix /main.c,$(DAEMONS) flinkctl)))
FOLDERS := $(DAEMONS) flinkctl

objects = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(addsuffix /*.c,$(1))))
program_objects = $(filter-out $(BUILD)/$(1)/main.o,$(call objects,$(1)))
program_file = $(BUILD)/bin/$(if $(filter $(1),$(DAEMONS)),flinkd-)$(1)

LIB := $(BUILD)/libflinkd.a
# On the command line, LIB_FOLDERS='common/base common/io proto' leaves out layers that don't compile yet.
LIB_FOLDERS := common/* proto
LIB_OBJECTS := $(call objects,$(LIB_FOLDERS))
TEST_LIB := $(BUILD)/tests/libtests.a
TEST_LIB_OBJECTS := $(call objects,tests/lib)
FOLDER_LIB := $(BUILD)/libfolders.a
FOLDER_OBJECTS := $(foreach f,$(FOLDERS),$(call program_objects,$(f)))
UNIT_SOURCES := $(sort $(shell find tests/unit -name 'test_*.c' 2>/dev/null))
UNIT_TESTS := $(UNIT_SOURCES:%.c=$(BUILD)/%)
FUZZ_SOURCES := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZERS := $(FUZZ_SOURCES:%.c=$(BUILD)/%)
BINARIES := $(foreach p,$(PROGRAMS),$(call program_file,$(p)))

# ---- flags -------------------------------------------------------------------------------------

PACKAGES := libcurl libcjson yaml-0.1 sqlite3 libmicrohttpd openssl
PACKAGE_CFLAGS := $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null))
# Debian's nng comes without a pkg-config file.
LIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES) 2>/dev/null) -lnng -lm
TEST_LIBS = $(shell $(PKG_CONFIG) --libs criterion)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wformat=2 -Wimplicit-fallthrough -Wundef -Wvla -Wcast-qual \
	-Wwrite-strings -Wpointer-arith -Wnull-dereference $(if $(filter-out 0,$(WERROR)),-Werror)
HARDEN_CFLAGS := -fstack-protector-strong -fPIE \
	$(if $(SAN),,-D_FORTIFY_SOURCE=2 $(if $(filter x86_64 aarch64,$(shell uname -m)),-fstack-clash-protection))
HARDEN_LDFLAGS := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
SAN_FLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer \
	$(if $(findstring undefined,$(SAN)),-fno-sanitize-recover=undefined))

# What the caller gives in CPPFLAGS, CFLAGS and LDFLAGS comes last, and adds.
ALL_CPPFLAGS := -I. -D_GNU_SOURCE -DFLINKD_VERSION='"$(VERSION)"' \
	$(if $(FAILPOINTS),-DFLINKD_FAILPOINTS) $(PACKAGE_CFLAGS) $(CPPFLAGS)
OPTIMIZE := $(if $(SAN),-O1,-O2)
COMPILE = $(CC) -std=gnu17 $(OPTIMIZE) -g $(ALL_CPPFLAGS) $(WARNINGS) $(HARDEN_CFLAGS) $(SAN_FLAGS) $(CFLAGS)
LINK = $(CC) $(SAN_FLAGS) $(HARDEN_LDFLAGS) $(LDFLAGS)

# ---- objects, libraries, programs ----------------------------------------------------------------

.PHONY: all
all: $(BINARIES) $(LIB)

# Everything depends on the flags it was built with.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@$(PKG_CONFIG) --exists --print-errors $(PACKAGES) || { echo "deploy/deps build installs it" >&2; exit 1; }
	@echo '$(subst ','\'',$(COMPILE) / $(LINK))' | cmp -s - $@ || \
		echo '$(subst ','\'',$(COMPILE) / $(LINK))' > $@
.PHONY: FORCE

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(COMPILE) -MMD -MP -c -o $@ $<

# The list of members is part of the rule: a source that was removed leaves the library.
# q, not r: two folders may have a file of the same name, and r would replace one by the other.
define archive
$(1): $(2) $(1).list
	@echo "  AR    $(1)"
	@rm -f $(1) && ar qcs $(1) $(2)
$(1).list: FORCE
	@mkdir -p $$(@D)
	@echo '$(2)' | cmp -s - $$@ || echo '$(2)' > $$@
endef
$(eval $(call archive,$(LIB),$(LIB_OBJECTS)))
$(eval $(call archive,$(TEST_LIB),$(TEST_LIB_OBJECTS)))
$(eval $(call archive,$(FOLDER_LIB),$(FOLDER_OBJECTS)))

# flinkctl replays decisions with the reconciler's own plan; the archive gives it no more than that.
RECONCILER_LIB := $(BUILD)/libreconciler.a
$(eval $(call archive,$(RECONCILER_LIB),$(call program_objects,reconciler)))
program_libraries = $(if $(filter flinkctl,$(1)),$(RECONCILER_LIB)) $(LIB)

define program
$(call program_file,$(1)): $(call objects,$(1)) $(call program_libraries,$(1))
	@mkdir -p $$(@D)
	@echo "  LD    $$@"
	@$$(LINK) -o $$@ $(call objects,$(1)) $(call program_libraries,$(1)) $$(LIBS)
.PHONY: $(1)
$(1): $(call program_file,$(1))
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

# ---- tests -----------------------------------------------------------------------------------------

# A test of <folder>/x.c links the folder's objects (less main.o), the library and tests/lib.
# A line `/* link: -Wl,--wrap=sqlite3_step */` in the test's source adds to its link command.
# tests/unit/model tests the reconciler's plan in a world of its own: what isn't a test there is linked too.
# $(1): path below tests/unit without .c; $(2): its first folder
unit_folder = $(filter $(FOLDERS),$(patsubst model,reconciler,$(firstword $(subst /, ,$(1)))))
unit_helpers = $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(UNIT_SOURCES),\
	$(wildcard tests/unit/$(dir $(1))*.c)))
define unit_test
$(BUILD)/tests/unit/$(1): $(BUILD)/tests/unit/$(1).o $(call unit_helpers,$(1)) \
		$(call program_objects,$(2)) $(TEST_LIB) $(call program_libraries,$(2))
	@echo "  LD    $$@"
	@$$(LINK) $$$$(sed -n 's|^/\* link: \(.*\) \*/$$$$|\1|p' tests/unit/$(1).c) -o $$@ \
		$$(filter %.o,$$^) $(TEST_LIB) $(call program_libraries,$(2)) $$(LIBS) $$(TEST_LIBS)
endef
$(foreach t,$(UNIT_SOURCES:tests/unit/%.c=%),\
	$(eval $(call unit_test,$(t),$(call unit_folder,$(t)))))

.PHONY: unit-programs unit asan asan-e2e tsan test bench
unit-programs: $(UNIT_TESTS)

# Shows what fails, and at the end how many. A program that dies without a summary and a
# sanitizer's report count as failures: a leak alone doesn't fail a Criterion test.
unit: $(UNIT_TESTS)
	@for t in $(UNIT_TESTS); do $$t $(UNIT_FLAGS) 2>&1; echo "exit $$? $$t"; done | awk ' \
		/Synthesis: Tested:/ { passed += $$7; failed += $$10 + $$13; next } \
		/(Leak|Address|Thread)Sanitizer: |: runtime error: / { reports++ } \
		/^exit [0-9]+ / { if ($$2) programs = programs "\n  " $$3; next } \
		{ print } \
		END { printf "%d passed, %d failed", passed, failed; \
			if (reports) printf ", %d lines of sanitizers", reports; \
			print programs; exit reports || programs != "" }'

asan:
	@deploy/deps build test
	@$(MAKE) SAN=address,undefined unit
# What golden-asan and integration of tests/run leave out: an image with sanitizers, and daemons that die.
asan-e2e:
	@$(MAKE) SAN=address,undefined all
	@$(MAKE) SAN=address,undefined FAILPOINTS=1 all
	FLINKD_BIN=build-asan/bin tests/run e2e fault
# Criterion 2.4 maps memory where ThreadSanitizer keeps its own, so it is the daemons that run under it, at their daily work.
tsan:
	@deploy/deps build test
	@$(MAKE) SAN=thread all
	TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp" FLINKD_BIN=build-tsan/bin tests/golden/run tests/golden/cases '[ju]*-*'
# Whatever is missing on a new machine first: the tests themselves need some of it.
test:
	@deploy/deps build test
	tests/run --no-deps
bench:
	@deploy/deps build test
	@$(MAKE) --no-print-directory all
	tests/bench/run

# ---- fuzzing ---------------------------------------------------------------------------------------

define fuzzer
$(BUILD)/$(1): $(BUILD)/$(1).o $(FOLDER_LIB) $(TEST_LIB) $(LIB)
	@echo "  LD    $$@"
	@$$(LINK) -fsanitize=fuzzer -o $$@ $(BUILD)/$(1).o $(FOLDER_LIB) $(TEST_LIB) $(LIB) $$(LIBS)
endef
$(foreach f,$(FUZZ_SOURCES:%.c=%),$(eval $(call fuzzer,$(f))))

.PHONY: fuzz fuzz-programs fuzz-run
fuzz-programs: $(FUZZERS)

# Seeds are kept in tests/fuzz/corpus/<name>/, what a run finds goes to build-fuzz/corpus/<name>/.
fuzz-run: $(FUZZERS)
	@set -e; for f in $(FUZZERS); do name=$${f##*/}; found=$(BUILD)/corpus/$$name; \
		seeds=tests/fuzz/corpus/$$name; [ -d $$seeds ] || seeds=; mkdir -p $$found; \
		echo "  FUZZ  $$name for $(FUZZ_SECONDS) s"; \
		$$f -max_total_time=$(FUZZ_SECONDS) -timeout=5 -verbosity=0 -print_final_stats=1 \
			-artifact_prefix=$(BUILD)/$$name- $$found $$seeds; \
	done

FUZZ_MAKE = $(MAKE) CC=$(CLANG) SAN=fuzzer-no-link$(comma)address$(comma)undefined BUILD=build-fuzz
fuzz:
	@deploy/deps build test
	+@$(FUZZ_MAKE) fuzz-run
build-fuzz:
	+@$(FUZZ_MAKE) fuzz-programs
.PHONY: build-fuzz

# ---- style -----------------------------------------------------------------------------------------

# tests/cluster fetches foreign sources; what is built there isn't ours.
C_FILES := $(sort $(shell find common proto $(FOLDERS) tests -path tests/cluster -prune -o \
	-name '*.[ch]' -print 2>/dev/null))
C_SOURCES := $(filter %.c,$(C_FILES))
SCRIPTS = $(shell find . -path ./.git -prune -o -path './build*' -prune -o -path './.cache' -prune -o \
	-type f -size -256k -exec awk 'FNR == 1 && /^\#!.*[\/ ](ba)?sh/ { print FILENAME } { nextfile }' {} +)
TIDY_STAMPS := $(C_SOURCES:%.c=$(BUILD)/tidy/%.ok)

.PHONY: format format-check tidy shellcheck lint
format:
	$(CLANG_FORMAT) -i $(C_FILES)
format-check:
	@$(CLANG_FORMAT) --dry-run -Werror $(C_FILES)
tidy: $(TIDY_STAMPS)
shellcheck:
	@scripts="$(SCRIPTS)"; [ -z "$$scripts" ] || $(SHELLCHECK) -x $$scripts
lint:
	@deploy/deps build test lint
	@$(MAKE) --no-print-directory format-check shellcheck tidy

# A stamp a file, so that only what changed is looked at again; the .d names the headers.
$(BUILD)/tidy/%.ok: %.c .clang-tidy $(wildcard tests/.clang-tidy)
	@mkdir -p $(@D)
	@echo "  TIDY  $<"
	@$(CLANG_TIDY) --quiet $< -- -std=gnu17 $(ALL_CPPFLAGS) 2>$@.log || { cat $@.log >&2; exit 1; }
	@$(CC) -std=gnu17 $(ALL_CPPFLAGS) -MM -MP -MT $@ -MF $@.d $< && touch $@

# ---- installing, trying out ------------------------------------------------------------------------

.PHONY: install deps demo demo-down clean help
install: all
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BINARIES) $(DESTDIR)$(PREFIX)/bin
deps:
	deploy/deps
demo:
	@deploy/deps build demo
	@$(MAKE) --no-print-directory all
	deploy/demo up
demo-down:
	deploy/demo down
clean:
	rm -rf build build-asan build-tsan build-fail build-asan-fail build-tsan-fail build-fuzz
help:
	@printf '%s\n' \
	'all          the daemons and flinkctl, in build/bin (the default)' \
	'install      to $$DESTDIR$$PREFIX/bin (PREFIX=$(PREFIX))' \
	'deps         install the packages that building and testing need' \
	'unit         build and run the unit tests (UNIT_FLAGS: Criterion options)' \
	'asan         the unit tests under AddressSanitizer and UBSan' \
	'asan-e2e     real pods, a real Flink and crashes with flinkd under the same (half an hour)' \
	'tsan         recorded cases with daemons under ThreadSanitizer' \
	'fuzz         run every fuzzer for FUZZ_SECONDS=$(FUZZ_SECONDS)' \
	'test         all tests (tests/run)' \
	'bench        the benchmarks' \
	'lint         clang-format, shellcheck and clang-tidy (what changed); use -j' \
	'format       rewrite the sources with clang-format' \
	'demo         a cluster with flinkd and a job; demo-down ends it' \
	'clean        remove the build directories'

-include $(LIB_OBJECTS:.o=.d) $(TEST_LIB_OBJECTS:.o=.d) $(UNIT_TESTS:=.d) $(FUZZERS:=.d)
-include $(wildcard $(BUILD)/tests/unit/model/*.d)
-include $(foreach f,$(FOLDERS),$(patsubst %.o,%.d,$(call objects,$(f))))
-include $(TIDY_STAMPS:=.d)
