#!/bin/sh
# What `make install` and `make uninstall` do. One list says what goes where; both go by it.
# install.sh install|uninstall PROGRAM DESTDIR PREFIX BINDIR MANDIR PERL_LIBDIR SYSCONFDIR
# ZSHDIR, UNITDIR, USERUNITDIR in the environment: other places of distributions for these. NOTICES: a file of notices to go along.
set -eu
action=$1 program=$2 destdir=$3 prefix=$4 bindir=$5 mandir=$6 perl_libdir=$7 sysconfdir=$8
here=$(cd "$(dirname "$0")/.." && pwd)
zshdir=${ZSHDIR:-$prefix/share/zsh/site-functions}
unitdir=${UNITDIR:-$prefix/lib/systemd/system}
userunitdir=${USERUNITDIR:-$prefix/lib/systemd/user}
documents=$prefix/share/doc/cpan-bridge
# What was made: directories, and the sums of settings files as they were put there. By it uninstall removes its own and no more.
record=$prefix/share/cpan-bridge/installed
tab=$(printf '\t')

# A user's own installation has what that user's programs read; what is the host's is left out. It is one in the user's home, and
# one elsewhere of who may not change the host's settings.
scope=host
case ${HOME:-/} in
/ | '') ;;
*) case $prefix/ in "$HOME"/*) scope=user ;; esac ;;
esac
if [ -z "$destdir" ] && [ "$(id -u)" != 0 ] && [ -d "$sysconfdir" ] && [ ! -w "$sysconfdir" ]; then scope=user; fi
if [ $scope = user ]; then userunitdir=${USERUNITDIR:-${XDG_DATA_HOME:-$HOME/.local/share}/systemd/user}; fi

# Lists are lines with tabs between. Refused before anything is touched.
case "$here$program$destdir$prefix$bindir$mandir$perl_libdir$sysconfdir$zshdir$unitdir$userunitdir" in
*"$tab"* | *'
'*) echo 'A path with a tab or a line feed is more than this can do' >&2; exit 2 ;;
esac

# They stand in units and manual pages, which know no directory that they could be relative to.
for place in "$prefix" "$bindir" "$mandir" "$perl_libdir" "$sysconfdir" "$zshdir" "$unitdir" "$userunitdir"; do
    case $place in
    /*) ;;
    *) echo "'$place' is no absolute path: PREFIX, BINDIR, MANDIR, PERL_LIBDIR and SYSCONFDIR have to be" >&2; exit 2 ;;
    esac
done

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

# mode, file, where: one line for each.
entry() { printf '%s\t%s\t%s\n' "$1" "$2" "$3"; }
# All files with these names below a directory, into another: mode, from, to, then find's conditions.
tree() {
    mode=$1 from=$2 to=$3
    shift 3
    (cd "$from" && find . -type f \( "$@" \)) | while IFS= read -r file; do entry "$mode" "$from/${file#./}" "$to/${file#./}"; done
}

list() {
    # It can be executed and not read: so its memory can't be read either, not even in the moment when it starts and its user
    # could otherwise (docs/security.md, Reloading).
    entry 711 "$program" "$bindir/cpan-bridge"
    tree 644 "$here/perl/lib" "$perl_libdir" -name '*.pm'
    # The stand-ins lie apart: only scripts that ask for them get them. CPANBridge::Compat finds them here.
    tree 644 "$here/perl/compat" "$perl_libdir/CPANBridge/compat" -name '*.pm' -o -name '*.pod'
    for section in 1 3 5 7; do tree 644 "$made" "$mandir/man$section" -name "*.$section"; done
    tree 644 "$made" "$mandir/man3" -name '*.3cpanbridge'
    entry 644 "$made/bash" "$prefix/share/bash-completion/completions/cpan-bridge"
    entry 644 "$made/zsh" "$zshdir/_cpan-bridge"
    entry 644 "$made/fish" "$prefix/share/fish/vendor_completions.d/cpan-bridge.fish"
    for unit in cpan-bridge.service cpan-bridge.socket; do
        entry 644 "$made/user-$unit" "$userunitdir/$unit"
        if [ $scope = host ]; then entry 644 "$made/system-$unit" "$unitdir/$unit"; fi
    done
    if [ $scope = host ]; then
        entry 644 "$here/packaging/sysusers.d/cpan-bridge.conf" "$prefix/lib/sysusers.d/cpan-bridge.conf"
        entry 644 "$here/packaging/tmpfiles.d/cpan-bridge.conf" "$prefix/lib/tmpfiles.d/cpan-bridge.conf"
        tree 644 "$here/packaging/prometheus" "$prefix/share/cpan-bridge/prometheus" -name '*'
    fi
    for document in README.md CHANGELOG.md; do entry 644 "$here/$document" "$documents/$document"; done
    notices=${NOTICES:-$here/THIRD-PARTY-NOTICES}
    if [ -f "$notices" ]; then entry 644 "$notices" "$documents/THIRD-PARTY-NOTICES"; fi
    tree 644 "$here/docs" "$documents/docs" -name '*.md' -o -name '*.svg' -o -name '*.tsv'
    tree 755 "$here/examples" "$documents/examples" -name '*.pl'
}

# Files that are their admin's once they are there: what is there stays if it was changed.
settings() {
    if [ $scope = host ]; then
        entry 644 "$here/packaging/cpan-bridge.toml" "$sysconfdir/cpan-bridge.toml"
        entry 644 "$here/packaging/logrotate.d/cpan-bridge" "$sysconfdir/logrotate.d/cpan-bridge"
    fi
}

# Puts places into a text: by perl, for which no character in them is special. Units have a syntax of their own.
fill_in() {
    # shellcheck disable=SC2016
    "${PERL:-perl}" -e 'my ($kind, $bindir, $sysconfdir) = splice @ARGV, 0, 3;
        my $word = sub { my ($path) = @_; return $path if $kind eq "page"; $path =~ s/%/%%/g; $path =~ s/\$/\$\$/g;
            return $path =~ m{[\s"\x27\\;]} ? do { $path =~ s/(["\\])/\\$1/g; qq("$path") } : $path };
        while (<>) { s/\@BINDIR\@(\S*)/$word->("$bindir$1")/ge; s/\@SYSCONFDIR\@(\S*)/$word->("$sysconfdir$1")/ge; print }' \
        "$1" "$bindir" "$sysconfdir" "$2"
}

# The manual pages of modules below a directory, in a section. One process for all: starting perl takes as long as a page.
pages() {
    # shellcheck disable=SC2016
    (cd "$1" && find . -name '*.p[mo]*' -exec grep -l '^=head1 NAME' {} + | sort | "${PERL:-perl}" -MPod::Man -e '
        my ($made, $section) = @ARGV;
        while (my $file = <STDIN>) {
            chomp $file;
            (my $name = $file) =~ s{^\./|\.p(?:m|od)\z}{}g;
            $name =~ s{/}{::}g;
            Pod::Man->new(section => $section, name => $name, center => "CPAN Bridge", release => "cpan-bridge", date => "")
                ->parse_from_file($file, "$made/$name.$section");
        }' "$made" "$2")
}

# Manual pages, completions and units are made from the program, the client and the place it goes to.
make_files() {
    "$program" man "$made"
    fill_in page "$here/packaging/cpan-bridge.7" >"$made/cpan-bridge.7"
    # Some distributions split even this off.
    if "${PERL:-perl}" -MPod::Man -e 1 2>/dev/null; then
        pages "$here/perl/lib" 3
        # In a section of their own: distributions have pages of the same names.
        pages "$here/perl/compat" 3cpanbridge
    else
        echo 'Without Pod::Man there are no manual pages of the Perl client; perldoc shows them.' >&2
    fi
    for shell in bash zsh fish; do "$program" completions $shell >"$made/$shell"; done
    for kind in system user; do
        for unit in cpan-bridge.service cpan-bridge.socket; do
            fill_in unit "$here/packaging/systemd/$kind/$unit" >"$made/$kind-$unit"
        done
    done
}

# Makes a directory and those above it: what was there keeps its mode.
make_directory() {
    if [ -d "$destdir$1" ]; then return; fi
    case $1 in
    / | .) mkdir -p "$destdir$1"; return ;;
    esac
    make_directory "$(dirname "$1")"
    mkdir "$destdir$1"
    chmod 755 "$destdir$1"
}

# Writes down which directories will be made for a file.
note_directories() {
    above=$(dirname "$1")
    # A DESTDIR that is not there yet is made as well, and is nobody's to take away.
    while [ ! -d "$destdir$above" ] && [ "$above" != / ]; do
        printf 'directory\t%s\n' "$above" >>"$made/record"
        above=$(dirname "$above")
    done
}

# Ends everything, before anything is touched, if a file can't be put there.
may_write() {
    if [ -d "$1" ] && [ ! -L "$1" ]; then echo "$1 is a directory, where a file belongs. Nothing was installed." >&2; exit 1; fi
    directory=$(dirname "$1")
    [ "$directory" != "${looked_at:-}" ] || return 0
    looked_at=$directory
    while [ ! -e "$directory" ]; do directory=$(dirname "$directory"); done
    [ -d "$directory" ] && [ -w "$directory" ] && return
    cat >&2 <<END
$1 can't be written: $directory is not yours to write. Nothing was installed.
For the whole host, as root: sudo, or su -c, before the same command.
For yourself alone: PREFIX="\$HOME/.local". Places are named by PREFIX, BINDIR, MANDIR, PERL_LIBDIR and SYSCONFDIR.
END
    exit 1
}

# The same for taking one away.
may_remove() {
    directory=$(dirname "$1")
    [ "$directory" != "${looked_at:-}" ] || return 0
    looked_at=$directory
    if [ ! -e "$1" ] || [ -w "$directory" ]; then return 0; fi
    own=${HOME:-}/.local
    echo "$1 is not yours to remove; nothing was. As root: sudo, or su -c, before the same command." >&2
    if [ -e "$own/share/cpan-bridge/installed" ]; then echo "You have one of your own: PREFIX=$own" >&2; fi
    exit 1
}

sum() { cksum <"$1" 2>/dev/null | tr ' ' -; }
# Whether a settings file is as it was put there.
is_ours() { grep -qxF "settings${tab}$(sum "$destdir$1")${tab}$1" "$made/record" 2>/dev/null; }

install_all() {
    if [ -f "$destdir$record" ]; then cat "$destdir$record" >"$made/record"; else : >"$made/record"; fi
    make_files
    list >"$made/list"
    settings >"$made/settings"
    # All or nothing.
    while IFS=$tab read -r _ _ place; do may_write "$destdir$place"; done <"$made/list"
    while IFS=$tab read -r _ _ place; do may_write "$destdir$place"; done <"$made/settings"
    # What is broken off can be uninstalled as well.
    while IFS=$tab read -r _ _ place; do
        note_directories "$place"
        printf 'file\t%s\n' "$place" >>"$made/record"
    done <"$made/list"
    while IFS=$tab read -r _ _ place; do note_directories "$place"; done <"$made/settings"
    note_directories "$record"
    write_record
    while IFS=$tab read -r mode file place; do
        make_directory "$(dirname "$place")"
        install -m "$mode" "$file" "$destdir$place"
    done <"$made/list"
    while IFS=$tab read -r mode file place; do
        if is_there "$destdir$place" && ! is_ours "$place" && ! cmp -s "$file" "$destdir$place"; then
            echo "$destdir$place is not what was installed before, and stays as it is; the new one is $file" >&2
            continue
        fi
        make_directory "$(dirname "$place")"
        install -m "$mode" "$file" "$destdir$place"
        printf 'settings\t%s\t%s\n' "$(sum "$file")" "$place" >>"$made/record"
    done <"$made/settings"
    write_record
    if on_this_host; then PREFIX=$prefix BINDIR=$bindir sh "$here/packaging/maintainer/postinst" configure; fi
}

# A package manager knows what it installed.
write_record() {
    [ -z "${NO_RECORD:-}" ] || return 0
    make_directory "$(dirname "$record")"
    sort -u "$made/record" >"$made/sorted"
    install -m 644 "$made/sorted" "$destdir$record"
}

# Also a link that leads nowhere.
is_there() { [ -e "$1" ] || [ -L "$1" ]; }

uninstall_all() {
    if [ -f "$destdir$record" ]; then cat "$destdir$record" >"$made/record"; else : >"$made/record"; fi
    # The list takes the program; the installed one will do.
    [ -x "$program" ] || program=$destdir$bindir/cpan-bridge
    if [ ! -e "$destdir$bindir/cpan-bridge" ] && [ ! -e "$destdir$record" ]; then
        echo "$destdir$bindir has no cpan-bridge, so nothing was removed. Uninstall takes the variables (PREFIX, ...) that install had." >&2
        for other in "${HOME:-}/.local" /usr/local "$(dirname "$(dirname "$(command -v cpan-bridge || echo /x/x/x)")")"; do
            if [ -e "$other/share/cpan-bridge/installed" ] && [ -w "$other/share/cpan-bridge" ]; then echo "There is one: PREFIX=$other" >&2; break; fi
        done
        exit 1
    fi
    may_remove "$destdir$bindir/cpan-bridge"
    make_files
    list >"$made/list"
    settings >"$made/settings"
    # All or nothing.
    while IFS=$tab read -r _ _ place; do may_remove "$destdir$place"; done <"$made/list"
    sed -n "s/^file$tab//p" "$made/record" >"$made/files"
    while IFS= read -r place; do may_remove "$destdir$place"; done <"$made/files"
    if on_this_host; then BINDIR=$bindir sh "$here/packaging/maintainer/prerm" remove; fi
    if [ -z "$destdir" ] && [ $scope = user ]; then tell_of_brokers; fi
    if [ $scope = user ] && [ -z "$destdir" ]; then forget_user_units; fi
    while IFS=$tab read -r _ _ place; do rm -f "$destdir$place"; done <"$made/list"
    # Wherever it was put: with a variable forgotten the list is not the one that install went by.
    while IFS=$tab read -r kind place more; do
        case $kind in
        file) rm -f "$destdir$place" ;;
        settings) if [ -e "$destdir$more" ] && is_ours "$more"; then rm -f "$destdir$more"; fi ;;
        esac
    done <"$made/record"
    while IFS=$tab read -r _ file place; do
        if [ -e "$destdir$place" ] && { is_ours "$place" || cmp -s "$file" "$destdir$place"; }; then rm -f "$destdir$place"; fi
    done <"$made/settings"
    rm -f "$destdir$record"
    # Those that were made for this and are empty, what is below first.
    sed -n "s/^directory$tab//p" "$made/record" | sort -ru | while IFS= read -r directory; do
        rmdir "$destdir$directory" 2>/dev/null || true
    done
    if on_this_host; then sh "$here/packaging/maintainer/postrm" remove; fi
}

# They go on without the file of their program.
tell_of_brokers() {
    running=$("$bindir/cpan-bridge" brokers 2>/dev/null) || running=
    case $running in
    '' | 'no broker'*) ;;
    *) printf '%s\n' 'These brokers go on, with the keys that they hold; `kill PROCESS` ends one of yours:' "$running" >&2 ;;
    esac
}

# What `systemctl --user enable` left: links to units that go.
forget_user_units() {
    if [ -d "${XDG_RUNTIME_DIR:-/nonexistent}/systemd" ] && command -v systemctl >/dev/null; then
        systemctl --user --quiet disable --now cpan-bridge.socket cpan-bridge.service || true
    fi
    for link in "${XDG_CONFIG_HOME:-$HOME/.config}"/systemd/user/*.wants/cpan-bridge.*; do
        if [ "$(readlink "$link")" = "$userunitdir/${link##*/}" ]; then rm -f "$link"; fi
    done
}

# Whether this is for the host that runs, and not for a package or somebody's home.
on_this_host() { [ -z "$destdir" ] && [ $scope = host ] && [ "$(id -u)" = 0 ]; }

# Where to go from here. A package, or what is installed for another root, is not for this shell.
say_what_next() {
    [ -z "$destdir" ] || return 0
    echo "Installed: $bindir/cpan-bridge, the client in $perl_libdir, documents in $prefix/share/doc/cpan-bridge. Try: cpan-bridge status"
    case :$PATH: in
    *":$bindir:"*) ;;
    *) echo "The shell does not look in $bindir by itself; it needs: export PATH='$bindir':\"\$PATH\"" ;;
    esac
    # shellcheck disable=SC2016
    if ! "${PERL:-perl}" -e 'my $wanted = shift; exit !grep { $_ eq $wanted } @INC' "$perl_libdir" 2>/dev/null; then
        echo "perl does not look in $perl_libdir by itself; scripts need: export PERL5LIB='$perl_libdir'"
    fi
    if [ $scope = user ] && [ -f "$userunitdir/cpan-bridge.socket" ]; then
        case $userunitdir/ in
        "$prefix"/*) ;;
        *) echo "The units for \`systemctl --user\` are in $userunitdir, where systemd looks for them." ;;
        esac
    fi
}

case $action in
install)
    install_all
    say_what_next
    ;;
uninstall) uninstall_all ;;
*)
    echo "$0: install or uninstall" >&2
    exit 2
    ;;
esac
