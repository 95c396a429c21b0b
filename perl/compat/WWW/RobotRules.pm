package WWW::RobotRules;

# What robots.txt allows (RFC 9309), and when servers were visited.

use strict;
use warnings;

use URI ();

our $VERSION = '6.02';

sub new {
    my ($class, $agent) = @_;
    # Who makes this one itself has it in memory; other classes have a file.
    $class = 'WWW::RobotRules::InCore' if $class eq __PACKAGE__;
    my $self = bless { sites => {} }, $class;
    $self->agent($agent) if defined $agent;
    return $self;
}

sub agent {
    my ($self, @value) = @_;
    my $old = $self->{agent};
    if (@value) {
        # Without its version.
        my $name = defined $value[0] ? $value[0] : '';
        $name = $1 if $name =~ /\A(\S+)/;
        $name =~ s{/?\s*\d+\.\d+\s*\z}{};
        $self->{sites} = {} if !defined $old || $old ne $name;
        $self->{agent} = $name;
    }
    return $old;
}

# $fresh: until when what is said counts; a day if nothing is known.
sub parse {
    my ($self, $uri, $text, $fresh) = @_;
    $uri = URI->new("$uri") if !ref $uri;
    my $server = $uri->host_port;
    $self->clear_rules($server);
    $self->fresh_until($server, $fresh || time + 24 * 60 * 60);
    $self->push_rules($server, $self->parse_rules($uri, $text));
    return;
}

sub parse_rules {
    my ($self, $uri, $text) = @_;
    my (@anyone, @mine);
    my ($is_me, $is_anyone, $seen_rule, $seen_me) = (0, 0, 0, 0);
    my $seen_agent = 0;
    $text =~ s/\r\n?/\n/g;
    for my $line (split /\n/, $text) {
        next if $line =~ /\A\s*+#/;
        # What counts, with a run of blanks looked at once: a line may be as long as a server likes.
        my ($said) = (split /#/, $line, 2)[0];
        ($said) = defined $said ? $said =~ /\A\s*+(.*\S)/s : ();
        if (!defined $said) {
            # A record's end.
            last if $seen_me && $is_me;
            ($is_me, $is_anyone, $seen_rule) = (0, 0, 0);
        }
        elsif ($said =~ /\AUser-Agent\s*+:\s*+(.*)\z/is) {
            my $name = $1;
            $seen_agent = 1;
            if ($seen_rule) {
                last if $seen_me && $is_me;
                ($is_me, $is_anyone, $seen_rule) = (0, 0, 0);
            }
            $is_anyone = 1 if $name eq '*';
            $is_me = $seen_me = 1 if $name ne '*' && $self->is_me($name);
        }
        elsif ($said =~ /\ADisallow\s*+:\s*+(.*)\z/is) {
            # One that is for nobody is taken to be for all, as it was hardly written for none.
            $is_anyone = 1 if !$seen_agent;
            $seen_rule = 1;
            next if !$is_me && !$is_anyone;
            my $path = $1;
            $path = length $path ? _path_of(URI->new_abs($path, $uri), $uri) : '';
            next if !defined $path;
            push @mine,   $path if $is_me;
            push @anyone, $path if $is_anyone;
        }
    }
    return $seen_me ? @mine : @anyone;
}

# A rule counts for its own server alone.
sub _path_of {
    my ($rule, $uri) = @_;
    return undef if !$rule->can('host_port') || ($rule->scheme || '') ne ($uri->scheme || '') || lc $rule->host_port ne lc $uri->host_port;    ## no critic (ProhibitExplicitReturnUndef)
    my $path = $rule->path_query;
    return length $path ? $path : '/';
}

sub is_me {
    my ($self, $name) = @_;
    my $agent = $self->agent;    # a class of one's own may keep it elsewhere
    return defined $agent && index(lc $agent, lc $name) >= 0 ? 1 : 0;
}

# 1, 0, or -1 if nothing is known.
sub allowed {
    my ($self, $uri) = @_;
    $uri = URI->new("$uri") if !ref $uri;
    return 1 if !$uri->scheme || $uri->scheme !~ /\Ahttps?\z/;
    my $server = $uri->host_port;
    my $fresh = $self->fresh_until($server);
    return -1 if !defined $fresh || $fresh < time;
    my $path = $uri->path_query;
    for my $rule ($self->rules($server)) {
        return 1 if !length $rule;
        return 0 if index($path, $rule) == 0;
    }
    return 1;
}

sub clear_rules { my ($self, $server) = @_; delete $self->{sites}{$server}{rules}; return }
sub push_rules { my ($self, $server, @rules) = @_; push @{ $self->{sites}{$server}{rules} }, @rules; return }
sub rules { my ($self, $server) = @_; return @{ $self->{sites}{$server}{rules} || [] } }

sub fresh_until {
    my ($self, $server, @value) = @_;
    my $old = $self->{sites}{$server}{fresh};
    $self->{sites}{$server}{fresh} = $value[0] if @value;
    return $old;
}

sub visit {
    my ($self, $server, $time) = @_;
    return if !defined $server;
    @{ $self->{sites}{$server} }{qw(last visits)} = ($time || time, ($self->{sites}{$server}{visits} || 0) + 1);
    return;
}

sub no_visits  { my ($self, $server) = @_; return ($self->{sites}{$server} || {})->{visits} }
sub last_visit { my ($self, $server) = @_; return ($self->{sites}{$server} || {})->{last} }

sub dump {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self) = @_;
    for my $server (sort keys %{ $self->{sites} }) {
        my $site = $self->{sites}{$server};
        print "$server:\n";
        print "  $_: $site->{$_}\n" for grep { defined $site->{$_} && !ref $site->{$_} } sort keys %$site;
        print "  Disallow: $_\n" for @{ $site->{rules} || [] };
    }
    return;
}

{
    package WWW::RobotRules::InCore;
    our @ISA = ('WWW::RobotRules');
}

1;
