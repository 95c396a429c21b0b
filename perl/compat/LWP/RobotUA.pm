package LWP::RobotUA;

# A LWP::UserAgent that reads robots.txt before it goes anywhere, and does not hurry.

use strict;
use warnings;

use Carp ();
use HTTP::Date ();
use HTTP::Response ();
use LWP::UserAgent ();
use WWW::RobotRules ();

our $VERSION = '6.68';
our @ISA = ('LWP::UserAgent');

sub new {
    my ($class, @args) = @_;
    my %options = @args < 4 ? (agent => $args[0], from => $args[1], @args > 2 ? (rules => $args[2]) : ()) : @args;
    Carp::croak('LWP::RobotUA agent required') if !defined $options{agent} || !length $options{agent};
    Carp::croak('LWP::RobotUA from address required') if !defined $options{from} || !length $options{from};
    my $delay = exists $options{delay} ? delete $options{delay} : 1;
    my $use_sleep = exists $options{use_sleep} ? delete $options{use_sleep} : 1;
    my $rules = delete $options{rules};
    my $self = $class->SUPER::new(%options);
    @{$self}{qw(delay use_sleep)} = ($delay, $use_sleep);
    if ($rules) {
        $rules->agent($self->agent);
        $self->{rules} = $rules;
    }
    else {
        $self->{rules} = WWW::RobotRules->new($self->agent);
    }
    return $self;
}

# In minutes.
sub delay     { my $self = shift; return $self->_elem('delay',     @_) }
sub use_sleep { my $self = shift; return $self->_elem('use_sleep', @_) }

sub agent {
    my ($self, @value) = @_;
    my $old = $self->SUPER::agent(@value);
    # What is known of servers was read for another name.
    $self->{rules}->agent($self->{agent}) if @value && $self->{rules};
    return $old;
}

sub rules {
    my ($self, @value) = @_;
    my $old = $self->_elem('rules', @value);
    $self->{rules}->agent($self->agent) if @value;
    return $old;
}

sub no_visits {
    my ($self, $server) = @_;
    $server = $self->_server($server);
    return $self->{rules}->no_visits($server) || 0;
}

# Seconds until the server may be asked again.
sub host_wait {
    my ($self, $server) = @_;
    return undef if !defined $server;    ## no critic (ProhibitExplicitReturnUndef)
    my $last = $self->{rules}->last_visit($server);
    return undef if !$last;              ## no critic (ProhibitExplicitReturnUndef)
    my $wait = int($self->{delay} * 60 - (time - $last));
    return $wait < 0 ? 0 : $wait;
}

sub _server {
    my ($self, $uri) = @_;
    return ref $uri && $uri->can('host_port') ? $uri->host_port : $uri;
}

sub simple_request {
    my ($self, $request, $arg, $size) = @_;
    my $uri = ref $request && $request->can('uri') ? $request->uri : undef;
    return $self->SUPER::simple_request($request, $arg, $size) if !ref $uri || !$uri->can('host_port') || !$uri->scheme;
    my $server = $uri->host_port;
    my $allowed = $self->{rules}->allowed($uri);
    $allowed = $self->_ask($uri) if $allowed < 0;
    if (!$allowed) {
        my $response = HTTP::Response->new(403, 'Forbidden by robots.txt');
        $response->request($request);
        return $response;
    }
    if (my $wait = $self->host_wait($server)) {
        if (!$self->{use_sleep}) {
            my $response = HTTP::Response->new(503, 'Please, slow down');
            $response->header('Retry-After', HTTP::Date::time2str(time + $wait));
            $response->request($request);
            return $response;
        }
        sleep $wait;
    }
    my $response = $self->SUPER::simple_request($request, $arg, $size);
    $self->{rules}->visit($server);
    return $response;
}

# What a server's robots.txt says.
sub _ask {
    my ($self, $uri) = @_;
    my $where = $uri->clone;
    $where->path_query('/robots.txt');
    $where->fragment(undef) if $where->can('fragment');
    # To be read as a whole, and by nobody's handlers of content.
    require HTTP::Request;
    my $request = HTTP::Request->new(GET => $where);
    # Before it is known, everything would be asked again for it.
    $self->{rules}->parse($where, '');
    my $response = $self->request($request);
    my $fresh = $response->fresh_until;
    my $content = $response->is_success ? $response->decoded_content : undef;
    $self->{rules}->parse($where, defined $content && $content =~ /User-Agent/i ? $content : '', $fresh);
    return $self->{rules}->allowed($uri) ? 1 : 0;
}

sub as_string {
    my ($self) = @_;
    my @lines = ('Robot: ' . $self->agent . ' operated by ' . $self->from . '  [' . ref($self) . ']');
    push @lines, '    Minimum delay: ' . int($self->delay * 60) . 's';
    push @lines, '    Will sleep if too early' if $self->use_sleep;
    push @lines, '    Rules = ' . ref $self->{rules};
    return join "\n", @lines, '';
}

1;
