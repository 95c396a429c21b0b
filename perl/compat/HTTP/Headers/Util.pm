package HTTP::Headers::Util;

# A stand-in for HTTP::Headers::Util, written from the original's documentation.

use strict;
use warnings;

use Exporter ();

our $VERSION = '6.44';
our @ISA = ('Exporter');
our @EXPORT_OK = qw(split_header_words join_header_words _split_header_words);

sub split_header_words {
    my @all = _split_header_words(@_);
    for my $list (@all) {
        for (my $index = @$list; $index > 0; $index -= 2) {
            $list->[$index - 2] = lc $list->[$index - 2];
        }
    }
    return @all;
}

# Names in the case given.
sub _split_header_words {
    my @all;
    for my $value (@_) {
        my @current;
        my $rest = defined $value ? $value : '';
        no warnings 'regexp';    # of a quoted text beyond what anybody means
        while ((pos($rest) || 0) < length $rest) {
            if ($rest =~ /\G\s*+(=*+[^\s=;,]++)/gc) {
                push @current, $1;
                if ($rest =~ /\G\s*+=\s*+"([^"\\]*+(?:\\.[^"\\]*+)*+)"/gc) {
                    (my $quoted = $1) =~ s/\\(.)/$1/g;
                    push @current, $quoted;
                }
                elsif ($rest =~ /\G\s*+=\s*+([^;,\s]*+)/gc) {
                    push @current, $1;
                }
                else {
                    push @current, undef;
                }
            }
            elsif ($rest =~ /\G\s*+,/gc) {
                push @all, [@current] if @current;
                @current = ();
            }
            else {
                # Blanks, semicolons, and what can't be understood, are passed over: a run at a time, for a stranger may send many.
                $rest =~ /\G(?:\s++|;|=++|.)/gcs;
            }
        }
        push @all, [@current] if @current;
    }
    return @all;
}

sub join_header_words {
    my @lists = @_ && !ref $_[0] ? [@_] : @_;
    my @joined;
    for my $list (@lists) {
        my @words = @$list;
        my @attributes;
        while (@words) {
            my ($name, $value) = splice @words, 0, 2;
            if (defined $value) {
                if ($value =~ /[\x00-\x20()<>@,;:\\"\/\[\]?={}\x7F-\xFF]/ || !length $value) {
                    $value =~ s/(["\\])/\\$1/g;
                    $name .= qq(="$value");
                }
                else {
                    $name .= "=$value";
                }
            }
            push @attributes, $name;
        }
        push @joined, join '; ', @attributes if @attributes;
    }
    return join ', ', @joined;
}

1;

__END__

=encoding utf8

=head1 NAME

HTTP::Headers::Util - a stand-in for HTTP::Headers::Util, core Perl only

=head1 FUNCTIONS

C<split_header_words> and C<join_header_words>, as in the original (L<https://metacpan.org/pod/HTTP::Headers::Util>).

=cut
