#!/bin/sh
# What `make dist`, `make deb` and `make rpm` do: the program for hosts older than this one, and packages of it.
# dist.sh tar|deb|rpm [PROGRAM [DIRECTORY]]
# DEB_FLAGS and RPM_FLAGS are handed to cargo-deb and cargo-generate-rpm.
# With a PROGRAM that is the one to pack; else it is built, with Zig's linker if that is here, against an old C library.
set -eu
kind=$1 program=${2:-} out=${3:-target/packages}
cd "$(dirname "$0")/.."
# RHEL 8 has 2.28, Debian 11 has 2.31.
glibc=${GLIBC:-2.28}
host=$(rustc -vV | sed -n 's/^host: //p')
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

build() {
    if cargo zigbuild --help >/dev/null 2>&1; then
        cargo zigbuild --profile dist --locked --target "$host.$glibc" >&2
        echo "target/$host/dist/cpan-bridge"
    else
        cargo build --profile dist --locked >&2
        echo target/dist/cpan-bridge
    fi
}

# The newest version of the C library that a program asks for.
wanted() { LC_ALL=C objdump -T "$1" | sed -n 's/.*GLIBC_\([0-9.]*\).*/\1/p' | sort -Vu | tail -n 1; }

for tool in cargo objdump sort flock; do
    command -v "$tool" >/dev/null || { echo "make $kind needs $tool" >&2; exit 1; }
done
case $kind in
deb) cargo deb --version >/dev/null 2>&1 || { echo 'make deb needs cargo-deb: cargo install cargo-deb' >&2; exit 1; } ;;
rpm) cargo generate-rpm --version >/dev/null 2>&1 || { echo 'make rpm needs cargo-generate-rpm: cargo install cargo-generate-rpm' >&2; exit 1; } ;;
esac
[ -n "$program" ] || program=$(build)
needs=$(wanted "$program")
if [ "$(printf '%s\n' "$needs" "$glibc" | sort -V | tail -n 1)" != "$glibc" ]; then
    cat >&2 <<END
$program asks for glibc $needs and would not run on a host with $glibc.
Build it against that: pip install ziglang cargo-zigbuild; then again. Or pack it for newer hosts only: GLIBC=$needs make $kind
END
    exit 1
fi

# Packages lay their files out for the host's package manager; the tree is what `make install` makes.
stage() {
    # Where it lies stands in Cargo.toml, so there is one, and who comes second waits.
    mkdir -p target/packages
    exec 9>target/packages/stage.lock
    flock 9
    rm -rf target/packages/stage
    sh packaging/install.sh install "$program" target/packages/stage /usr /usr/bin /usr/share/man "$1" /etc
    for licence in LICENSE LICENSE-APACHE LICENSE-MIT; do
        install -m 644 "$licence" "target/packages/stage/usr/share/doc/cpan-bridge/$licence"
    done
}

mkdir -p "$out"
case $kind in
tar)
    name=cpan-bridge-$version-linux-$(uname -m)
    rm -rf "${out:?}/$name"
    mkdir -p "$out/$name"
    cp -R packaging docs examples README.md CHANGELOG.md LICENSE LICENSE-APACHE LICENSE-MIT "$out/$name"
    mkdir "$out/$name/perl"
    cp -R perl/lib perl/compat "$out/$name/perl"
    mv "$out/$name/packaging/setup" "$out/$name/setup"
    rm "$out/$name/packaging/dist.sh"
    install -m 755 "$program" "$out/$name/cpan-bridge"
    tar -C "$out" --owner=0 --group=0 --sort=name -czf "$out/$name.tar.gz" "$name"
    rm -rf "${out:?}/$name"
    made=$out/$name.tar.gz
    ;;
deb)
    stage /usr/share/perl5
    trap 'rm -rf target/packages/stage' EXIT
    made=$(cargo deb --no-build --no-strip ${DEB_FLAGS:-} --output "$out/" | tail -n 1)
    ;;
rpm)
    stage /usr/share/perl5/vendor_perl
    trap 'rm -rf target/packages/stage' EXIT
    cargo generate-rpm --auto-req disabled ${RPM_FLAGS:-} --output "$out/" >&2
    made=$(ls -t "$out"/*.rpm | head -n 1)
    ;;
*)
    echo "$0: tar, deb or rpm" >&2
    exit 2
    ;;
esac
echo "$made: for glibc $needs and later, $(($(wc -c <"$made") / 1024)) KiB"
