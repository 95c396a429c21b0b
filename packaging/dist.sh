#!/bin/sh
# What `make dist`, `make deb` and `make rpm` do: the program for hosts older than this one, and packages of it.
# dist.sh tar|deb|rpm [PROGRAM [DIRECTORY]]
# DEB_FLAGS and RPM_FLAGS are handed to cargo-deb and cargo-generate-rpm. DEBFULLNAME and DEBEMAIL say who maintains the package.
# With a PROGRAM that is the one to pack; else it is built, with Zig's linker if that is here, against an old C library.
# With the same source, tools and SOURCE_DATE_EPOCH (if not set: the time of the last commit, or of the change log) every byte is the same.
set -eu
kind=$1 program=${2:-} out=${3:-target/packages}
cd "$(dirname "$0")/.."
# RHEL 8 has 2.28, Debian 11 has 2.31.
glibc=${GLIBC:-2.28}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
umask 022
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH

case $kind in
tar) tools='cargo sha256sum tar gzip' ;;
deb) tools='cargo sha256sum cargo-deb' ;;
rpm) tools='cargo sha256sum cargo-generate-rpm' ;;
*)
    echo "$0: tar, deb or rpm" >&2
    exit 2
    ;;
esac
for tool in $tools; do
    # Cargo finds its own commands also beside itself.
    command -v "$tool" >/dev/null || [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/$tool" ] || {
        case $tool in
        cargo-*) echo "make $kind needs $tool: cargo install --locked $tool" ;;
        *) echo "make $kind needs $tool" ;;
        esac >&2
        exit 1
    }
done

# The newest version of the C library that a program asks for.
wanted() { LC_ALL=C grep -ao 'GLIBC_[0-9][0-9.]*' "$1" | sed 's/GLIBC_//' | sort -Vu | tail -n 1; }
is_above() { [ "$1" != "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | tail -n 1)" = "$1" ]; }

# Why a program that is built here can't be for the C library that is asked for; said before it is built.
if [ -z "$program" ] && ! cargo zigbuild --help >/dev/null 2>&1; then
    own=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/.* //')
    if [ -n "$own" ] && is_above "$own" "$glibc"; then
        cat >&2 <<END
Built here, the program may ask for glibc $own, and would not run on a host with $glibc.
For older hosts: pip install ziglang cargo-zigbuild; then again. For hosts like this one: GLIBC=$own make ${MAKE_TARGET:-$kind}
END
        exit 1
    fi
fi

build() {
    # Where it was built is nobody's business, and would make two builds differ.
    RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$PWD=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
    export RUSTFLAGS
    host=$(rustc -vV | sed -n 's/^host: //p')
    if cargo zigbuild --help >/dev/null 2>&1; then
        cargo zigbuild --profile dist --locked --target "$host.$glibc" >&2
        echo "target/$host/dist/cpan-bridge"
    else
        cargo build --profile dist --locked >&2
        echo target/dist/cpan-bridge
    fi
}

[ -n "$program" ] || program=$(build)
needs=$(wanted "$program")
if is_above "$needs" "$glibc"; then
    cat >&2 <<END
$program asks for glibc $needs and would not run on a host with $glibc.
For hosts that have it: GLIBC=$needs make ${MAKE_TARGET:-$kind}
END
    exit 1
fi

mkdir -p "$out"
out=$(cd "$out" && pwd)
# A run has a folder of its own, which is gone when it ends, however it ends.
work=$(mktemp -d "$out/making.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
perl packaging/notices.pl >"$work/THIRD-PARTY-NOTICES"
maintainer="${DEBFULLNAME:-CPAN Bridge maintainers} <${DEBEMAIL:-cpan-bridge@example.org}>"

# Packages lay their files out for the host's package manager; the tree is what `make install` makes.
stage() {
    NOTICES=$work/THIRD-PARTY-NOTICES NO_RECORD=1 UNITDIR=${2:-} ZSHDIR=${3:-} HOME=/ \
        sh packaging/install.sh install "$program" "$work/stage" /usr /usr/bin /usr/share/man "$1" /etc
}

# What cargo-deb and cargo-generate-rpm read: a crate of its own that has nothing but the files.
crate() {
    mkdir "$work/src"
    echo 'fn main() {}' >"$work/src/main.rs"
    {
        cat <<END
[package]
name = "cpan-bridge"
version = "$version"
edition = "2021"
license = "MIT OR Apache-2.0"
description = "Broker that gives pure-Perl scripts ciphers, HTTPS and other services"

[workspace]

END
        cat
    } >"$work/Cargo.toml"
}

# `mode` and `place` of every file, as $1 has them in a line; $2 for settings, which are their admin's.
assets() {
    (cd "$work/stage" && find . -type f | LC_ALL=C sort) | while IFS= read -r file; do
        file=${file#./}
        mode=$(stat -c %a "$work/stage/$file")
        case $file in etc/*) line=$2 ;; *) line=$1 ;; esac
        # shellcheck disable=SC2059
        printf "$line\n" "$file" "$(dirname "$file")" "$mode"
    done
}

case $kind in
tar)
    name=cpan-bridge-$version-linux-$(uname -m)
    mkdir "$work/$name"
    cp -R packaging docs examples README.md CHANGELOG.md LICENSE LICENSE-APACHE LICENSE-MIT "$work/THIRD-PARTY-NOTICES" "$work/$name"
    mkdir "$work/$name/perl"
    cp -R perl/lib perl/compat "$work/$name/perl"
    mv "$work/$name/packaging/setup" "$work/$name/setup"
    rm "$work/$name/packaging/dist.sh" "$work/$name/packaging/notices.pl"
    # Whoever unpacks it as root gives it to root with these modes.
    chmod -R u=rwX,go=rX "$work/$name"
    install -m 755 "$program" "$work/$name/cpan-bridge"
    tar -C "$work" --owner=0 --group=0 --numeric-owner --sort=name --mtime="@$SOURCE_DATE_EPOCH" --format=ustar -cf "$work/tar" "$name"
    gzip -9n <"$work/tar" >"$out/$name.tar.gz"
    made=$out/$name.tar.gz
    ;;
deb)
    stage /usr/share/perl5 /usr/lib/systemd/system /usr/share/zsh/vendor-completions
    documents=$work/stage/usr/share/doc/cpan-bridge
    # As Debian's policy has them: changes and licences under these names, compressed.
    mv "$documents/CHANGELOG.md" "$documents/changelog"
    gzip -9n "$documents/changelog" "$documents/THIRD-PARTY-NOTICES"
    {
        cat <<END
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: cpan-bridge
Comment: The program contains crates of others; /usr/share/doc/cpan-bridge/THIRD-PARTY-NOTICES.gz has their licences.

Files: *
Copyright: $(sed -n 's/^Copyright (c) //p' LICENSE-MIT)
License: MIT or Apache-2.0

License: MIT
$(sed -n '/^Permission/,$s/^/ /p' LICENSE-MIT | sed 's/^ $/ ./')

License: Apache-2.0
 On Debian systems /usr/share/common-licenses/Apache-2.0 is the text of this licence.
END
    } >"$work/copyright"
    cat >"$work/changelog" <<END
cpan-bridge ($version-1) unstable; urgency=medium

  * Version $version: /usr/share/doc/cpan-bridge/changelog.gz has its changes.

 -- $maintainer  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END
    mkdir -p "$work/stage/usr/share/lintian/overrides"
    cp packaging/lintian-overrides "$work/stage/usr/share/lintian/overrides/cpan-bridge"
    crate <<END
[package.metadata.deb]
maintainer = "$maintainer"
section = "utils"
depends = "libc6 (>= $needs), libgcc-s1 | libgcc1, perl (>= 5.10.1)"
recommends = "ca-certificates"
license-file = ["copyright", "0"]
changelog = "changelog"
extended-description = """
Perl scripts on locked-down hosts have core modules only. The broker gives
them ciphers, HTTPS and other services over a Unix domain socket, through a
client in pure Perl, and stand-ins for the CPAN modules that scripts use."""
conf-files = ["/etc/cpan-bridge.toml", "/etc/logrotate.d/cpan-bridge"]
maintainer-scripts = "scripts"
assets = [
$(assets '["stage/%s", "%s/", "%s"],' '["stage/%s", "%s/", "%s"],')
]
END
    cp -R packaging/maintainer "$work/scripts"
    # shellcheck disable=SC2086
    made=$(cd "$work" && cargo deb --offline --no-build --no-strip ${DEB_FLAGS:-} --output "$out/" | tail -n 1)
    ;;
rpm)
    stage /usr/share/perl5/vendor_perl /usr/lib/systemd/system
    cp LICENSE LICENSE-APACHE LICENSE-MIT "$work/stage/usr/share/doc/cpan-bridge"
    # Directories that belong to no package would be left: cargo-generate-rpm can't name them, so a script removes them. Those of
    # every host belong to one.
    directories() {
        (cd "$work/stage" && find usr etc -type d | LC_ALL=C sort -r) |
            grep -vxE 'usr|usr/(bin|lib|share|share/(doc|man|man/man[0-9]))|etc' | sed 's|^|/|'
    }
    crate <<END
[package.metadata.generate-rpm]
license = "MIT OR Apache-2.0"
post_install_script = "scripts/postinst"
pre_uninstall_script = "scripts/prerm"
post_uninstall_script = "scripts/postrm"
assets = [
$(assets '    { source = "stage/%s", dest = "/%s/", mode = "%s" },' '    { source = "stage/%s", dest = "/%s/", mode = "%s", config = "noreplace" },')
]

[package.metadata.generate-rpm.requires]
glibc = ">= $needs"
perl = ">= 5.10.1"

[package.metadata.generate-rpm.recommends]
ca-certificates = "*"
END
    cp -R packaging/maintainer "$work/scripts"
    {
        # shellcheck disable=SC2016
        printf '%s\n' '# Directories that nothing else is in.' 'if [ "${1:-}" = 0 ]; then' '    while read -r directory; do' \
            '        if [ -d "$directory" ]; then rmdir "$directory" 2>/dev/null || true; fi' "    done <<'END'"
        directories
        printf '%s\n' END fi
    } >>"$work/scripts/postrm"
    mkdir "$work/rpm"
    # shellcheck disable=SC2086
    (cd "$work" && cargo generate-rpm --auto-req disabled ${RPM_FLAGS:-} --output "$work/rpm/" >&2)
    made=$(cd "$work/rpm" && echo *.rpm)
    mv "$work/rpm/$made" "$out/$made"
    made=$out/$made
    ;;
esac
(cd "$out" && sha256sum "${made##*/}" >"${made##*/}.sha256")
echo "$made: for glibc $needs and later, $(($(wc -c <"$made") / 1024)) KiB"
