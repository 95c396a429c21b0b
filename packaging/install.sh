#!/bin/sh
# What `make install` and `make uninstall` do. One list says what goes where; both go by it.
# install.sh install|uninstall PROGRAM DESTDIR PREFIX BINDIR MANDIR PERL_LIBDIR SYSCONFDIR
set -eu
action=$1 program=$2 destdir=$3 prefix=$4 bindir=$5 mandir=$6 perl_libdir=$7 sysconfdir=$8
here=$(cd "$(dirname "$0")/.." && pwd)
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
documents=$prefix/share/doc/cpan-bridge

# mode, file, where: one line for each.
list() {
    # It can be executed and not read: so its memory can't be read either, not even in the moment when it starts and its user
    # could otherwise (docs/security.md, Reloading).
    echo "711 $program $bindir/cpan-bridge"
    (cd "$here/perl/lib" && find . -name '*.pm') | sed "s|^\./\(.*\)|644 $here/perl/lib/\1 $perl_libdir/\1|"
    # The stand-ins lie apart: only scripts that ask for them get them. CPANBridge::Compat finds them here.
    (cd "$here/perl/compat" && find . -name '*.pm' -o -name '*.pod') |
        sed "s|^\./\(.*\)|644 $here/perl/compat/\1 $perl_libdir/CPANBridge/compat/\1|"
    for section in 1 3 5 7; do
        (cd "$made" && find . -name "*.$section") | sed "s|^\./\(.*\)|644 $made/\1 $mandir/man$section/\1|"
    done
    echo "644 $made/bash $prefix/share/bash-completion/completions/cpan-bridge"
    echo "644 $made/zsh $prefix/share/zsh/site-functions/_cpan-bridge"
    echo "644 $made/fish $prefix/share/fish/vendor_completions.d/cpan-bridge.fish"
    for unit in cpan-bridge.service cpan-bridge.socket; do
        echo "644 $made/system-$unit $prefix/lib/systemd/system/$unit"
        echo "644 $made/user-$unit $prefix/lib/systemd/user/$unit"
    done
    echo "644 $here/packaging/sysusers.d/cpan-bridge.conf $prefix/lib/sysusers.d/cpan-bridge.conf"
    echo "644 $here/packaging/tmpfiles.d/cpan-bridge.conf $prefix/lib/tmpfiles.d/cpan-bridge.conf"
    echo "644 $here/packaging/logrotate.d/cpan-bridge $sysconfdir/logrotate.d/cpan-bridge"
    (cd "$here/packaging/prometheus" && find . -type f) | sed "s|^\./\(.*\)|644 $here/packaging/prometheus/\1 $prefix/share/cpan-bridge/prometheus/\1|"
    for document in README.md CHANGELOG.md; do echo "644 $here/$document $documents/$document"; done
    (cd "$here/docs" && find . -name '*.md' -o -name '*.svg' -o -name '*.tsv') | sed "s|^\./\(.*\)|644 $here/docs/\1 $documents/docs/\1|"
    (cd "$here/examples" && find . -name '*.pl') | sed "s|^\./\(.*\)|755 $here/examples/\1 $documents/examples/\1|"
}

# Manual pages, completions and units are made from the program, the client and the place it goes to.
make_files() {
    "$program" man "$made"
    cp "$here/packaging/cpan-bridge.7" "$made"
    # Some distributions split even this off.
    "${PERL:-perl}" -MPod::Man -e 1 2>/dev/null || echo 'Without Pod::Man there are no manual pages of the Perl client; perldoc shows them.' >&2
    (cd "$here/perl/lib" && find . -name '*.pm' -exec grep -l '^=head1 NAME' {} +) | while read -r module; do
        name=$(echo "$module" | sed 's|^\./||; s|/|::|g; s|\.pm$||')
        "${PERL:-perl}" -MPod::Man -e 1 2>/dev/null || continue
        "${PERL:-perl}" -MPod::Man -e 'Pod::Man->new(section => 3, name => $ARGV[2], center => "CPAN Bridge", release => "cpan-bridge", date => "")
            ->parse_from_file(@ARGV[0, 1])' "$here/perl/lib/$module" "$made/$name.3" "$name"
    done
    for shell in bash zsh fish; do "$program" completions $shell >"$made/$shell"; done
    for kind in system user; do
        for unit in cpan-bridge.service cpan-bridge.socket; do
            sed "s|@BINDIR@|$bindir|g" "$here/packaging/systemd/$kind/$unit" >"$made/$kind-$unit"
        done
    done
}

case $action in
install)
    make_files
    list | while read -r mode file place; do
        install -d "$destdir$(dirname "$place")"
        install -m "$mode" "$file" "$destdir$place"
    done
    # Somebody's settings are theirs.
    if [ ! -e "$destdir$sysconfdir/cpan-bridge.toml" ]; then
        install -d "$destdir$sysconfdir"
        install -m 644 "$here/packaging/cpan-bridge.toml" "$destdir$sysconfdir/cpan-bridge.toml"
    fi
    ;;
uninstall)
    # The list takes the program; the installed one will do.
    [ -x "$program" ] || program=$destdir$bindir/cpan-bridge
    make_files
    list | while read -r _ _ place; do rm -f "$destdir$place"; done
    if cmp -s "$here/packaging/cpan-bridge.toml" "$destdir$sysconfdir/cpan-bridge.toml"; then
        rm -f "$destdir$sysconfdir/cpan-bridge.toml"
    fi
    # Directories that nothing else is in.
    list | while read -r _ _ place; do dirname "$place"; done | sort -ru | while read -r directory; do
        while [ "$directory" != / ] && rmdir "$destdir$directory" 2>/dev/null; do directory=$(dirname "$directory"); done
    done
    if [ -n "$destdir" ]; then rmdir "$destdir$sysconfdir" 2>/dev/null || true; fi
    ;;
*)
    echo "$0: install or uninstall" >&2
    exit 2
    ;;
esac
