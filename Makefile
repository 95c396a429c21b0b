# CPAN Bridge. `make` alone shows what there is.

PREFIX       ?= /usr/local
DESTDIR      ?=
BINDIR       ?= $(PREFIX)/bin
MANDIR       ?= $(PREFIX)/share/man
SYSCONFDIR   ?= /etc
# Where this host's perl looks for modules that are not its own; another place needs PERL5LIB.
ifeq ($(PREFIX),/usr/local)
PERL_LIBDIR  ?= $(shell perl -MConfig -e 'print $$Config{installsitelib}')
else
PERL_LIBDIR  ?= $(PREFIX)/share/perl5
endif
CARGO        ?= cargo
PERL         ?= perl
PROVE        ?= prove

# Where cargo builds: as it takes it from the environment.
TARGET  = $(or $(CARGO_TARGET_DIR),$(CARGO_BUILD_TARGET_DIR),target)
BUILT   = $(if $(filter /%,$(TARGET)),$(TARGET),$(CURDIR)/$(TARGET))
RELEASE = $(BUILT)/release/cpan-bridge
DEBUG   = $(BUILT)/debug/cpan-bridge

.DEFAULT_GOAL := help
MINUTES      ?= 60
FUZZ_SECONDS ?= 60
PERLS        ?= bullseye trixie
FUZZ_TARGETS ?= frames messages images calls keys http_answers http_chunks html

.PHONY: help build demo test test-rust test-perl perls test-perls conformance bench bench-full fuzz soak lint install uninstall dist deb rpm clean

help: ## Shows this
	@printf 'CPAN Bridge: a broker that gives core-Perl scripts ciphers, HTTPS and other services.\n\n'
	@sed -n 's/^\([a-z -]*\):.*## /  make \1|/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'
	@printf '\nPREFIX (%s), DESTDIR, PERL_LIBDIR (%s) say where install puts things.\n' '$(PREFIX)' '$(PERL_LIBDIR)'

build: ## Builds the release binary
	$(CARGO) build --release --locked

demo: build ## Builds, starts a broker of its own, runs a Perl script against it, shows the result
	@CPAN_BRIDGE_BIN='$(RELEASE)' PERL='$(PERL)' sh examples/run-demo.sh

test: test-rust test-perl ## Runs every test, Rust and Perl

# So long that only what hangs is ended by it; a test of the client has its own limit (tests/one_test.sh).
TEST_RUST_SECONDS ?= 2400

test-rust:
	timeout --kill-after=30 $(TEST_RUST_SECONDS) $(CARGO) test --locked --workspace

test-perl:
	$(CARGO) build --locked
	CPAN_BRIDGE_BIN='$(DEBUG)' sh tests/prove.sh $(PROVE) -Iperl/lib -Iperl/t/lib -j4 perl/t

perls: ## Fetches the perls of other releases of Debian (PERLS) by apt, into the folder of the build
	for release in $(PERLS); do sh tests/perls/fetch.sh $$release '$(BUILT)/perls' || exit 1; done

test-perls: perls ## Runs the client's tests with them
	$(CARGO) build --locked
	CPAN_BRIDGE_BIN='$(DEBUG)' sh tests/perls/run.sh '$(BUILT)/perls' $(PERLS)

conformance: ## Runs a CPAN distribution's own tests (SUITE=DIRECTORY, OPTIONS=--keep-lib) on the stand-ins
	@test -n '$(SUITE)' || { echo 'Which suite? make conformance SUITE=DIRECTORY'; exit 1; }
	$(CARGO) build --locked
	CPAN_BRIDGE_BIN='$(DEBUG)' $(PERL) tests/conformance/run.pl $(OPTIONS) '$(SUITE)'

bench: build ## Measures speed and memory beside peers; writes docs/benchmarks.md
	$(CARGO) bench --locked --no-run
	CPAN_BRIDGE_BIN='$(RELEASE)' PERL='$(PERL)' CARGO='$(CARGO)' sh benches/run.sh $(SECTIONS)

bench-full: build ## The same with every cell and more rounds; takes a while
	$(CARGO) bench --locked --no-run
	CPAN_BRIDGE_BIN='$(RELEASE)' PERL='$(PERL)' CARGO='$(CARGO)' sh benches/run.sh full $(SECTIONS)

fuzz: ## Fuzzes each target for FUZZ_SECONDS (60)
	@$(CARGO) fuzz --version >/dev/null 2>&1 || { echo 'cargo-fuzz is needed: cargo install cargo-fuzz'; exit 1; }
	@test -d fuzz/corpus || tar -C fuzz -xJf fuzz/corpus.tar.xz
	for target in $(FUZZ_TARGETS); do \
		RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --sanitizer none "$$target" -- -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -print_final_stats=1 || exit 1; \
	done

soak: build ## Works a broker for MINUTES (60): memory, descriptors and handles have to be flat at the end
	CPAN_BRIDGE_BIN='$(RELEASE)' $(PERL) benches/soak.pl $(MINUTES)

lint: ## Checks formatting, clippy and Perl syntax
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	for features in '' crypto html http; do $(CARGO) check --locked --quiet --no-default-features --features "$$features" || exit 1; done
	@for file in $$(find perl examples benches -name '*.p[lm]' -o -name '*.t'); do \
		taint=$$(sed -n '1s/^#!.*perl -T.*/-T/p' "$$file"); \
		said=$$($(PERL) $$taint -Iperl/lib -Iperl/compat -Iperl/t/lib -wc "$$file" 2>&1) || { echo "$$said"; exit 1; }; \
	done

install: ## Installs program, client, stand-ins, manual pages, completions, units and examples
	@test -x '$(RELEASE)' || { echo 'There is no $(RELEASE). Build first, as yourself: make build'; exit 1; }
	PERL='$(PERL)' sh packaging/install.sh install '$(RELEASE)' '$(DESTDIR)' '$(PREFIX)' '$(BINDIR)' '$(MANDIR)' '$(PERL_LIBDIR)' '$(SYSCONFDIR)'

uninstall: ## Removes what install put in place; a changed /etc/cpan-bridge.toml stays
	PERL='$(PERL)' sh packaging/install.sh uninstall '$(RELEASE)' '$(DESTDIR)' '$(PREFIX)' '$(BINDIR)' '$(MANDIR)' '$(PERL_LIBDIR)' '$(SYSCONFDIR)'

dist: ## Makes target/packages/*.tar.gz for hosts with nothing but a shell and perl
	@MAKE_TARGET=dist sh packaging/dist.sh tar '$(PROGRAM)'

deb rpm: ## Makes a package for dpkg or rpm
	@sh packaging/dist.sh $@ '$(PROGRAM)'

clean: ## Removes what was built
	$(CARGO) clean
