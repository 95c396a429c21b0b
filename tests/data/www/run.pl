#!/usr/bin/env perl
# Runs the snippets with whatever modules are found, and prints what they give as JSON. See README.md.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use JSON::PP;

use HTTP::Cookies;
use HTTP::Date;
use HTTP::Headers;
use HTTP::Headers::Util;
use HTTP::Message;
use HTTP::Request;
use HTTP::Request::Common ();
use HTTP::Response;
use HTTP::Status;
use URI;
use URI::Escape;
use URI::QueryParam;
use URI::file;

our $DATA = abs_path(dirname(__FILE__));
our $TMP = tempdir(CLEANUP => 1);
$ENV{TZ} = 'UTC';

open my $file, '<', "$DATA/snippets.txt" or die $!;
my @snippets = grep { !/\A#/ } map { s/\A\s+|\s+\z//g; $_ } do { local $/ = ''; readline $file };

sub plain {
    my ($value) = @_;
    return undef if !defined $value;
    return [map { plain($_) } @$value] if ref $value eq 'ARRAY';
    return { map { $_ => plain($value->{$_}) } keys %$value } if ref $value eq 'HASH';
    return "$value";
}

my @results;
for my $snippet (@snippets) {
    my @warnings;
    local $SIG{__WARN__} = sub { push @warnings, $_[0] };
    my @values = eval "package main; no strict 'vars'; $snippet";    ## no critic (ProhibitStringyEval)
    (my $error = $@) =~ s/ at \S+ line \d+.*//s;
    push @results, { snippet => $snippet, values => [map { plain($_) } @values], $error ne '' ? (error => $error) : () };
}
print JSON::PP->new->canonical->ascii->pretty->encode(\@results);
