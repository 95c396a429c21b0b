package CPANBridge;

use strict;
use warnings;
# It may have been broken off.
no warnings 'redefine';

use CPANBridge ();
use CPANBridge::Lane ();
use CPANBridge::Parts ();

our ($DAEMON_MODE, $FALLBACK_ENABLED, $DEBUG_LEVEL, $MAX_JSON_SIZE);

sub _do_call_python {
    my ($self, $module, $function, $params) = @_;
    _croak('Module name required')   if !defined $module   || !length $module;
    _croak('Function name required') if !defined $function || !length $function;
    my $session = $self->{ +KEY };
    return $self->available->call_python($module, $function, $params) if $session && $session->{user};
    my $eval_error = $@;
    local $!;
    my $begin = CPANBridge::Lane::now();
    my $method = "$module.$function";
    my ($error, $result);
    if (!eval { ($error, $result) = $self->_is_plain ? CPANBridge::Lane::call($self, $method, $params) : $self->_call_anyhow($method, $params); 1 }) {
        my $why = $@;
        # Of a signal's handler, say.
        die $why if ref $why || $why !~ /\Acan't load /;
        chomp $why;
        $@ = $eval_error;
        return { success => 0, error => $self->{last_error} = $why, code => 'failed', module => $module, function => $function, duration => 0 };
    }
    ($error, $result) = $self->_call_without_broker($method, $params, $error)
        if $error && $FALLBACK_ENABLED && $error->code eq 'connect' && $DAEMON_MODE;
    my $duration = CPANBridge::Lane::now() - $begin;
    my $stats = $self->{performance_stats}{$method} ||= { call_count => 0 };
    $stats->{last_duration} = $duration;
    $stats->{call_count}++;
    $self->{last_error} = $error ? $error->message : '';
    $self->_report($method, $error, $begin) if $self->{debug} || $DEBUG_LEVEL;
    $@ = $eval_error;
    return _payload($result) if !$error;
    return {
        success  => 0,
        error    => $error->message,
        code     => $error->code,
        module   => $module,
        function => $function,
        duration => $duration,
    };
}

# Whether a call of the existing interface is one like others. At the program's end objects are taken apart in any order, and destructors
# still make calls.
sub _is_plain {
    my ($self) = @_;
    return $DAEMON_MODE && $self->{ +KEY } && !$self->{debug} && !$DEBUG_LEVEL && !_is_ending();
}

sub _is_ending { return defined ${^GLOBAL_PHASE} && ${^GLOBAL_PHASE} eq 'DESTRUCT' }

# The result at every depth at which scripts look for it.
sub _payload {
    my ($payload) = @_;
    return { success => 1, result => $payload } if ref $payload ne 'HASH';
    my %inner = (success => 1, result => $payload, %$payload);
    return { success => 1, result => \%inner, %$payload };
}

# The old client refused what was larger; now it is only worth a word to who debugs.
sub _remark_on_size {
    my ($self, $method, $params) = @_;
    my $limit = defined $self->{max_json_size} ? $self->{max_json_size} : $MAX_JSON_SIZE;
    my $size = eval { length CPANBridge::MessagePack->pack($params) } || 0;
    $self->_debug("$method is given $size bytes, more than max_json_size ($limit)") if $size > $limit;
    return;
}

# A call of the existing interface that is not like others, or the object is not what it was.
sub _call_anyhow {
    my ($self, $method, $params) = @_;
    CPANBridge::Parts::need();
    return $self->_call_or_oneshot($method, $params) if !_is_ending();
    my @outcome = eval { $self->_call_or_oneshot($method, $params) };
    return $@ ? CPANBridge::Envelope::error('lost', $method, 'the program ends, and what the call needs is gone') : @outcome;
}

sub _call_or_oneshot {
    my ($self, $method, $params) = @_;
    $self->_remark_on_size($method, $params) if $self->{debug} || $DEBUG_LEVEL;
    return CPANBridge::Envelope::error('lost', $method, 'the object is destroyed already') if !$self->{ +KEY };
    return $self->_oneshot($method, $params) if !$DAEMON_MODE;
    return CPANBridge::Lane::call($self, $method, $params);
}

sub _call_without_broker {
    my ($self, $method, $params, $error) = @_;
    $self->_debug('no broker: ' . $error->message);
    my ($failed, $answer) = $self->_oneshot($method, $params);
    # Without the program there is no fallback either; then what keeps the broker away is what to tell.
    return $failed && $failed->code eq 'connect' ? ($error) : ($failed, $answer);
}

sub _do_get_performance_stats { return $_[0]->{performance_stats} }
sub _do_get_last_python_output { return undef }    ## no critic (ProhibitExplicitReturnUndef)

sub _do_clear_performance_stats {
    my ($self) = @_;
    $self->{performance_stats} = {};
    return;
}

sub _do_set_debug         { my ($self, $value) = @_; $self->{debug}         = $value; return }
sub _do_set_max_json_size { my ($self, $value) = @_; $self->{max_json_size} = $value; return }

sub _do_set_timeout {
    my ($self, $value) = @_;
    $self->{timeout} = $value;
    $self->{ +KEY }{timeout} = undef;
    return;
}

sub _do_set_retry_count {
    my ($self, $value) = @_;
    $self->{retry_count} = $value;
    $self->{ +KEY }{retry_count} = undef;
    return;
}

sub _do_test_python_bridge {
    my ($self) = @_;
    return $self->call_python('test', 'ping', {})->{success} ? 1 : 0;
}

sub _do_check_python_module {
    my ($self, $name) = @_;
    my $result = $self->call_python('test', 'check_module', { module => $name });
    return $result->{success} && $result->{result} ? 1 : 0;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Existing - the methods of CPANBridge that the old client had

=head1 DESCRIPTION

Loaded when one of them is first used. They are described in L<CPANBridge>.

=cut
