# CPAN Bridge. `make` alone shows what there is.

PREFIX       ?= /usr/local
DESTDIR      ?=
BINDIR       ?= $(PREFIX)/bin
MANDIR       ?= $(PREFIX)/share/man
# Where this host's perl looks for modules that are not its own; another place needs PERL5LIB.
ifeq ($(PREFIX),/usr/local)
PERL_LIBDIR  ?= $(shell perl -MConfig -e 'print $$Config{installsitelib}')
else
PERL_LIBDIR  ?= $(PREFIX)/share/perl5
endif
# The stand-ins for CPAN modules lie apart: only scripts that ask for them get them. CPANBridge::Compat finds them here.
COMPAT_LIBDIR = $(PERL_LIBDIR)/CPANBridge/compat
CLIENT_FILES  = $(shell cd perl/lib && find . -name '*.pm')
COMPAT_FILES  = $(shell cd perl/compat && find . -name '*.pm' -o -name '*.pod')

CARGO        ?= cargo
PERL         ?= perl
PROVE        ?= prove
INSTALL      ?= install

RELEASE = target/release/cpan-bridge
DEBUG   = target/debug/cpan-bridge

.DEFAULT_GOAL := help
MINUTES      ?= 60
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= frames messages calls keys http_answers

.PHONY: help build demo test test-rust test-perl bench fuzz soak lint install uninstall clean

help: ## Shows this
	@printf 'CPAN Bridge: a broker that gives core-Perl scripts ciphers, HTTPS and other services.\n\n'
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'
	@printf '\nPREFIX (%s), DESTDIR, PERL_LIBDIR (%s) say where install puts things.\n' '$(PREFIX)' '$(PERL_LIBDIR)'

build: ## Builds the release binary
	$(CARGO) build --release --locked

demo: build ## Builds, starts a broker of its own, runs a Perl script against it, shows the result
	@CPAN_BRIDGE_BIN='$(RELEASE)' PERL='$(PERL)' sh examples/run-demo.sh

test: test-rust test-perl ## Runs every test, Rust and Perl

test-rust:
	$(CARGO) test --locked

test-perl:
	$(CARGO) build --locked
	CPAN_BRIDGE_BIN='$(CURDIR)/$(DEBUG)' $(PROVE) -Iperl/lib -Iperl/t/lib -j2 perl/t

bench: build ## Measures speed and memory, beside peers where they are installed
	$(CARGO) bench --locked --no-run
	CPAN_BRIDGE_BIN='$(CURDIR)/$(RELEASE)' PERL='$(PERL)' CARGO='$(CARGO)' sh benches/run.sh

fuzz: ## Fuzzes each target for FUZZ_SECONDS (60)
	@$(CARGO) fuzz --version >/dev/null 2>&1 || { echo 'cargo-fuzz is needed: cargo install cargo-fuzz'; exit 1; }
	@test -d fuzz/corpus || tar -C fuzz -xJf fuzz/corpus.tar.xz
	for target in $(FUZZ_TARGETS); do \
		RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --sanitizer none "$$target" -- -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -print_final_stats=1 || exit 1; \
	done

soak: build ## Works a broker for MINUTES (60): memory, descriptors and handles have to be flat at the end
	CPAN_BRIDGE_BIN='$(CURDIR)/$(RELEASE)' $(PERL) benches/soak.pl $(MINUTES)

lint: ## Checks formatting, clippy and Perl syntax
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	@for file in $$(find perl examples benches -name '*.p[lm]' -o -name '*.t'); do \
		taint=$$(sed -n '1s/^#!.*perl -T.*/-T/p' "$$file"); \
		said=$$($(PERL) $$taint -Iperl/lib -Iperl/compat -Iperl/t/lib -wc "$$file" 2>&1) || { echo "$$said"; exit 1; }; \
	done

# The program can be executed and not read: so its memory can't be read either, not even in the moment when it starts and its user
# could otherwise (docs/security.md, Reloading).
install: ## Installs the binary, the Perl client, the stand-ins and the manual page
	@test -x '$(RELEASE)' || { echo 'Build first, as yourself: make build'; exit 1; }
	$(INSTALL) -d '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(PERL_LIBDIR)' '$(DESTDIR)$(COMPAT_LIBDIR)' '$(DESTDIR)$(MANDIR)/man1'
	$(INSTALL) -m 711 '$(RELEASE)' '$(DESTDIR)$(BINDIR)/cpan-bridge'
	for file in $(CLIENT_FILES); do $(INSTALL) -D -m 644 "perl/lib/$$file" '$(DESTDIR)$(PERL_LIBDIR)'/"$$file" || exit 1; done
	for file in $(COMPAT_FILES); do $(INSTALL) -D -m 644 "perl/compat/$$file" '$(DESTDIR)$(COMPAT_LIBDIR)'/"$$file" || exit 1; done
	$(INSTALL) -m 644 packaging/cpan-bridge.1 '$(DESTDIR)$(MANDIR)/man1/cpan-bridge.1'

uninstall: ## Removes what install put in place
	rm -f '$(DESTDIR)$(BINDIR)/cpan-bridge' '$(DESTDIR)$(MANDIR)/man1/cpan-bridge.1'
	for file in $(CLIENT_FILES); do rm -f '$(DESTDIR)$(PERL_LIBDIR)'/"$$file"; done
	for file in $(COMPAT_FILES); do rm -f '$(DESTDIR)$(COMPAT_LIBDIR)'/"$$file"; done
	-find '$(DESTDIR)$(PERL_LIBDIR)/CPANBridge' -depth -type d -empty -exec rmdir {} + 2>/dev/null

clean: ## Removes what was built
	$(CARGO) clean
