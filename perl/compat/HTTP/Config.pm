package HTTP::Config;

# A stand-in for HTTP::Config: entries that apply to some requests and responses, as LWP::UserAgent's handlers do.

use strict;
use warnings;

use URI ();

our $VERSION = '6.44';

sub new { my ($class) = @_; return bless [], $class }

sub entries { my ($self) = @_; return @$self }
sub empty   { my ($self) = @_; return !@$self }

sub add {
    my ($self, @entry) = @_;
    push @$self, @entry == 1 ? $entry[0] : {@entry};
    return;
}

sub _differ {
    my ($left, $right) = @_;
    return defined $left && defined $right ? $left ne $right : defined $left || defined $right;
}

# Entries that have all of these, and the others.
sub _sort_out {
    my ($self, %wanted) = @_;
    my (@found, @rest);
    for my $entry (@$self) {
        my $differs = grep { !exists $entry->{$_} || _differ($entry->{$_}, $wanted{$_}) } keys %wanted;
        $differs ? push @rest, $entry : push @found, $entry;
    }
    return (\@found, \@rest);
}

sub find {
    my ($self, %wanted) = @_;
    my ($found) = $self->_sort_out(%wanted);
    return wantarray ? @$found : $found->[0];
}

sub remove {
    my ($self, %wanted) = @_;
    my ($found, $rest) = $self->_sort_out(%wanted);
    @$self = @$rest;
    return @$found;
}

# How well each kind of condition tells requests apart; undef from one means that it does not hold.
my %MATCH = (
    m_scheme => sub { my ($v, $uri) = @_; return $uri->scheme eq $v ? 1 : undef },
    m_secure => sub { my ($v, $uri) = @_; my $secure = $uri->can('secure') && $uri->secure; return !$secure == !$v ? 1 : undef },
    m_host_port => sub { my ($v, $uri) = @_; return $uri->can('host_port') && $uri->host_port eq $v ? 7 : undef },
    m_host => sub { my ($v, $uri) = @_; return $uri->can('host') && lc $uri->host eq lc $v ? 6 : undef },
    m_port => sub { my ($v, $uri) = @_; return $uri->can('port') && $uri->port eq $v ? 1 : undef },
    m_domain => sub {
        my ($v, $uri) = @_;
        return undef if !$uri->can('host');    ## no critic (ProhibitExplicitReturnUndef)
        my $host = lc $uri->host;
        $host = "$host.local" if $host !~ /\./;
        $v = lc $v;
        return length($v) + 1 if $host eq $v || ".$host" eq $v;
        $v = ".$v" if $v !~ /\A\./;
        return substr($host, -length $v) eq $v ? length $v : undef;
    },
    m_path => sub { my ($v, $uri) = @_; return $uri->can('path') && $uri->path eq $v ? length($v) + 1 : undef },
    m_path_prefix => sub {
        my ($v, $uri) = @_;
        return undef if !$uri->can('path');    ## no critic (ProhibitExplicitReturnUndef)
        my $path = $uri->path;
        return undef if substr($path, 0, length $v) ne $v;    ## no critic (ProhibitExplicitReturnUndef)
        return length $path eq length $v || $v =~ m{/\z} || substr($path, length $v, 1) eq '/' ? length $v : undef;
    },
    m_path_match => sub { my ($v, $uri) = @_; return $uri->can('path') && $uri->path =~ $v ? 1 : undef },
    m_uri__ => sub { my ($v, $uri, undef, undef, $method) = @_; my $got = $uri->can($method) ? $uri->$method : undef; return defined $got && $got eq $v ? 1 : undef },
    m_method => sub { my ($v, undef, $request) = @_; return $request && $request->method eq $v ? 1 : undef },
    m_proxy => sub { my ($v, undef, $request) = @_; my $proxy = $request && $request->{proxy}; return ($proxy || '') eq $v ? 1 : undef },
    m_code => sub {
        my ($v, undef, undef, $response) = @_;
        return undef if !$response;    ## no critic (ProhibitExplicitReturnUndef)
        my $code = $response->code;
        return $v =~ s/xx\z// ? ($code =~ /\A\Q$v\E../ ? 1 : undef) : $code eq $v ? 1 : undef;
    },
    m_media_type => sub {
        my ($v, undef, undef, $response) = @_;
        return undef if !$response;    ## no critic (ProhibitExplicitReturnUndef)
        return 1 if $v eq '*/*';
        my $type = $response->content_type;
        return 3 if $v eq 'html' && $response->content_is_html;
        return 4 if $v eq 'xhtml' && $response->content_is_xhtml;
        return 2 if $v =~ m{\A(.+/)\*\z} && index($type, $1) == 0;
        return $type eq $v ? 10 : undef;
    },
    m_header__ => sub { my ($v, undef, $request, undef, $name) = @_; my $got = $request && $request->header($name); return defined $got && $got eq $v ? 1 : undef },
    m_response_header__ => sub { my ($v, undef, undef, $response, $name) = @_; my $got = $response && $response->header($name); return defined $got && $got eq $v ? 1 : undef },
);

# From the one that tells most to the one that tells least.
my @RANKED = qw(
    m_host_port m_host m_domain m_path m_path_prefix m_path_match m_port m_scheme m_uri__ m_media_type m_code m_response_header__ m_header__ m_method
    m_secure m_proxy
);
my %PLACE = map { $RANKED[$_] => $_ } 0 .. $#RANKED;

sub _by_rank {
    my ($left, $right) = @_;
    for my $place (0 .. $#RANKED) {
        my $order = ($right->[$place] || 0) <=> ($left->[$place] || 0);
        return $order if $order;
    }
    return 0;
}

sub matching {
    my ($self, $uri, $request, $response) = @_;
    if (ref $uri && $uri->can('code')) {
        # A response tells all of it.
        ($uri, $request, $response) = ($uri->request ? $uri->request->uri : undef, $uri->request, $uri);
    }
    elsif (ref $uri && $uri->can('method')) {
        ($uri, $request) = ($uri->uri, $uri);
    }
    if (defined $uri && !ref $uri) {
        require URI;
        $uri = URI->new($uri);
    }
    my @scored;
    ENTRY:
    for my $entry (@$self) {
        my @score = (0) x @RANKED;
        for my $key (grep { /\Am_/ } keys %$entry) {
            my ($kind, $argument) = $key =~ /\A(m_(?:response_header|header|uri)__)(.*)\z/ ? ($1, $2) : ($key);
            my $match = $MATCH{$kind} or next ENTRY;
            my ($wanted, $best) = ($entry->{$key});
            for my $value (ref $wanted eq 'ARRAY' ? @$wanted : $wanted) {
                my $score = defined $uri || $kind =~ /code|media|header/ ? $match->($value, $uri, $request, $response, $argument) : undef;
                $best = $score if defined $score && (!defined $best || $score > $best);
            }
            next ENTRY if !defined $best;
            $score[$PLACE{$kind}] += $best;
        }
        push @scored, [$entry, \@score];
    }
    my @sorted = map { $_->[0] } sort { _by_rank($a->[1], $b->[1]) } @scored;
    return wantarray ? @sorted : $sorted[0];
}

sub matching_items { my $self = shift; return map { $_->{item} } $self->matching(@_) }

sub add_item {
    my ($self, $item, %conditions) = @_;
    return $self->add(item => $item, %conditions);
}

sub remove_items {
    my ($self, %wanted) = @_;
    return map { $_->{item} } $self->remove(%wanted);
}

1;

__END__

=encoding utf8

=head1 NAME

HTTP::Config - a stand-in for HTTP::Config, core Perl only

=head1 METHODS

C<new>, C<entries>, C<empty>, C<add>, C<add_item>, C<find>, C<remove>, C<remove_items>, C<matching>, C<matching_items>: as in the original
(L<https://metacpan.org/pod/HTTP::Config>).

=cut
