package LWP::Protocol::Passive;

# Net::FTP whose data come from the server that it speaks to. What a server says to PASV may name any other host: one in the network of the
# script, which the server could reach by this alone, or, behind an address translation, one that nobody reaches.

use strict;
use warnings;

use Net::FTP ();

our $VERSION = '6.68';
our @ISA = ('Net::FTP');

sub pasv {
    my ($ftp) = @_;
    my $where = $ftp->SUPER::pasv;
    return $where if !defined $where;
    my $host = $ftp->peerhost;
    return undef if !defined $host;    ## no critic (ProhibitExplicitReturnUndef)
    # Net::FTP goes by what it keeps: here it is given back itself, before libnet 3 it is a text.
    if (ref $where eq 'ARRAY') { $where->[0] = $host }
    elsif (defined ${*$ftp}{net_ftp_pasv}) {
        $host =~ tr/./,/;
        ($where = ${*$ftp}{net_ftp_pasv}) =~ s/\A\d+,\d+,\d+,\d+/$host/;
        ${*$ftp}{net_ftp_pasv} = $where;
    }
    return $where;
}

1;
