# A script with one `get`, as cron starts it; for benches/lwp.pl.
use strict;
use warnings;

use LWP::UserAgent;

my ($url, $authority) = @ARGV;
my $response = LWP::UserAgent->new(ssl_opts => { SSL_ca_file => $authority })->get($url);
die $response->status_line . "\n" if !$response->is_success;
