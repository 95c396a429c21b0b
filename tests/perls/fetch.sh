#!/bin/sh
# Unpacks the perl of another release of Debian in a folder of its own, without installing anything, and prints the path of the program.
#
#     fetch.sh CODENAME DIRECTORY
#
# The packages come from where this host has its own from, by apt, which checks their signatures. The program gets the C library that
# came with it, because that of the host may be older. It finds its modules by PERL5LIB; what that has to be
# is in the file `inc`.
set -eu
codename=${1:?the code name of a release is wanted}
mkdir -p "${2:?a directory is wanted}"
directory=$(cd "$2" && pwd)/$codename
perl=$directory/perl
[ ! -e "$directory/complete" ] || { echo "$perl"; exit 0; }
for tool in apt-get dpkg-deb; do
    command -v $tool >/dev/null || { echo "$tool is needed to fetch the perl of Debian $codename, and not here" >&2; exit 1; }
done

rm -rf "$directory"
mkdir -p "$directory/lists/partial" "$directory/archives/partial" "$directory/etc" "$directory/root"
: >"$directory/status"

# Everything that apt writes is in the folder; what it is told about proxies and kin stays the host's.
release() {
    "$@" -qq -o Dir::Etc::SourceList="$directory/etc/release.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
        -o Dir::State::Lists="$directory/lists" -o Dir::State::Status="$directory/status" -o Dir::Cache="$directory" \
        -o Dir::Cache::PkgCache= -o Dir::Cache::SrcPkgCache= -o Acquire::Languages=none -o APT::Sandbox::User=
}
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | sort -u | head -n 1)
[ -n "$mirror" ] || { echo "apt names no mirror of Debian on this host; try: apt-get update" >&2; exit 1; }
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] $mirror $codename main" >"$directory/etc/release.list"

release apt-get update
names=$(release apt-cache pkgnames | grep -E '^(perl-modules-|libperl)5\.[0-9]+(t64)?$')
(cd "$directory/archives" && release apt-get download perl perl-base libc6 libcrypt1 $names)
for package in "$directory"/archives/*.deb; do
    dpkg-deb -x "$package" "$directory/root"
done

# Which C library a program is started with, and where it looks for others first, stands in the program.
command -v patchelf >/dev/null || {
    (cd "$directory/archives" && apt-get -qq -o APT::Sandbox::User= download patchelf && dpkg-deb -x patchelf_*.deb "$directory/tool")
    PATH=$directory/tool/usr/bin:$PATH
}
libraries=$(find "$directory/root" -name 'libc.so.6' -exec dirname {} \; | head -n 1)
loader=$(find "$directory/root" -name 'ld-linux*.so.*' | head -n 1)
cp "$directory/root/usr/bin/perl" "$perl"
patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$perl"

find "$directory/root/usr/lib" "$directory/root/usr/share" -type d -regex '.*/perl/5[0-9.]*\|.*/lib/[^/]*/perl-base' |
    paste -s -d : >"$directory/inc"
rm -rf "$directory/lists" "$directory/archives" "$directory/tool"
PERL5LIB=$(cat "$directory/inc") "$perl" -MPOSIX -MStorable -MEncode -e 1
: >"$directory/complete"
echo "$perl"
