# What LWP's stand-ins speak beside http, classes of the script's own, robots' rules, and messages that mean harm.
use strict;
use warnings;
no warnings 'once';
use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../compat";
use File::Temp ();
use IO::Socket::INET ();
use POSIX ();
use Test::More;
use HTTP::Config;
use HTTP::Cookies;
use HTTP::Date qw(str2time time2str);
use HTTP::Headers::Auth ();
use HTTP::Headers::ETag ();
use LWP::ConnCache;
use LWP::RobotUA;
use LWP::UserAgent;
use TestBroker;

# No request here is the broker's.
$ENV{CPAN_BRIDGE_SOCKET} = '/nonexistent/broker.sock';
$ENV{CPAN_BRIDGE_AUTOSTART} = 0;

# A server on a port of its own: $serve gets each connection.
my @servers;
sub server {
    my ($serve) = @_;
    my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', ReuseAddr => 1) or die $!;
    my $pid = fork;
    die $! if !defined $pid;
    if (!$pid) {
        while (my $connection = $listener->accept) {
            $connection->autoflush(1);
            $serve->($connection);
            close $connection;
        }
        POSIX::_exit(0);
    }
    push @servers, $pid;
    return '127.0.0.1:' . $listener->sockport;
}
END { local $?; kill KILL => @servers; waitpid $_, 0 for @servers }

# --- What scripts find loaded, as with the originals, and call without loading it
for my $case (['LWP::UserAgent', 'HTTP::Date::time2str(0)'], ['LWP::Simple', 'HTTP::Date::time2str(0)'], ['LWP::UserAgent', 'LWP->VERSION'], ['HTTP::Config', 'URI->new("x:y")']) {
    my ($module, $use) = @$case;
    is(system($^X, (map { "-I$_" } "$FindBin::Bin/../lib", "$FindBin::Bin/../compat"), "-M$module", '-e', "exit !($use)"), 0, "$module has $use");
}

# --- Classes of the script's own, and proxies that are none
{
    package Shout;
    our @ISA = ('LWP::Protocol');
    sub request {
        my ($self, $request, $proxy, $arg) = @_;
        my $response = HTTP::Response->new(200, 'OK', ['Content-Type' => 'text/plain']);
        my @pieces = map { uc } $request->uri->opaque, defined $proxy ? " by $proxy" : ();
        return $self->collect($arg, $response, sub { my $piece = shift @pieces; return \(defined $piece ? $piece : '') });
    }
}
my $ua = LWP::UserAgent->new(agent => 'test/1');
is($ua->get('shout:hello')->code, 501, 'a scheme without a class');
LWP::Protocol::implementor(shout => 'Shout');
is($ua->get('shout:hello')->content, 'HELLO', 'with a class of the script\'s own');
my $said = '';
$ua->get('shout:hello', ':content_cb' => sub { $said .= $_[0] });
is($said, 'HELLO', 'to a callback');
$ua->proxy(wide => 'shout:out');
is($ua->get('wide:world')->content, 'WORLD BY SHOUT:OUT', 'a proxy\'s scheme says who speaks');
$ua->proxy(http => 'loopback:');
is($ua->get('http://www.example/x?y', A => 'b')->content, "GET http://www.example/x?y\nUser-Agent: test/1\nA: b\n\n", 'loopback');
is($ua->get('data:text/plain;charset=UTF-8,%c3%a9')->decoded_content, "\x{e9}", 'data');
is($ua->get('data:text/html,<title>AT%26T %26hellip; %26amp;lt;</title>')->header('Title'), "AT&T \xe2\x80\xa6 &lt;", 'a title, with all names of characters and no others');
is($ua->post('data:,x')->code, 400, 'which is only to be read');
LWP::Protocol::implementor(shout => 'LWP::Protocol::nogo');
is($ua->get('shout:hello')->message, 'Access to \'shout\' URIs has been disabled', 'nogo');
ok(!eval { LWP::Protocol::create('none-of-that', $ua) }, 'no object without a class');

# --- Files and directories
{
    my $directory = File::Temp::tempdir(CLEANUP => 1);
    for my $name ('plain.txt', '<b>&"x".html') {
        open my $out, '>', "$directory/$name" or die $!;
        print {$out} 'content';
        close $out;
    }
    mkdir "$directory/below" or die $!;
    my $listing = $ua->get("file:$directory");
    is($listing->content_type, 'text/html', 'a directory is listed');
    like($listing->content, qr{<A HREF="below/">below/</A>}, 'with directories');
    like($listing->content, qr{<A HREF="%3Cb%3E%26%22x%22\.html">&lt;b&gt;&amp;&quot;x&quot;\.html</A>}, 'and names that are no HTML');
    is($ua->head("file:$directory")->content, '', 'or only its length');
    is($ua->get("file:$directory/plain.txt")->content, 'content', 'a file');
    POSIX::mkfifo("$directory/pipe", 0600) or die $!;
    my $pipe = eval { local $SIG{ALRM} = sub { die "waited\n" }; alarm 10; my $response = $ua->get("file:$directory/pipe"); alarm 0; $response };
    alarm 0;
    is($pipe && $pipe->code, 403, 'a pipe that nobody writes to is not waited for');
    is($ua->get('file:/dev/zero', ':content_cb' => sub { die "endless\n" })->code, 403, 'nor is a device read');
    is($ua->get("file://elsewhere$directory/plain.txt")->code, 404, 'not one of another host');
}

# --- mailto: what a URL says begins no field of its own
{
    my $directory = File::Temp::tempdir(CLEANUP => 1);
    open my $program, '>', "$directory/sendmail" or die $!;
    print {$program} "#!/bin/sh\necho \"\$@\" >'$directory/arguments'\ncat >'$directory/mail'\n";
    close $program;
    chmod 0755, "$directory/sendmail" or die $!;
    local $LWP::Protocol::mailto::SENDMAIL = "$directory/sendmail";
    my $response = $ua->post('mailto:a@b.example?subject=x%0D%0ABcc:%20c%40d.example', 'X-Mine' => '1', Content => 'text');
    is($response->code, 202, 'mailto');
    my $mail = do { local (@ARGV, $/) = "$directory/mail"; readline };
    like($mail, qr/^Subject: x Bcc: c\@d\.example$/m, 'one line is one field');
    unlike($mail, qr/^Bcc:/m, 'and no other');
    like($mail, qr/^To: a\@b\.example$/m, 'the address');
    like($mail, qr/\n\ntext\z/, 'the text');
    is($ua->post('mailto:a@b.example?subject=hi&X%0ABcc=victim@v.example', Content => 'text')->code, 400, 'nor is its name');
    {
        local ($\, $,) = ("!\n", ',');
        $ua->post('mailto:a@b.example?subject=hi', Content => 'text');
    }
    like(do { local (@ARGV, $/) = "$directory/mail"; readline }, qr/\n\ntext\z/, 'what the script prints behind its lines is not sent');
}

# --- ftp, gopher and nntp, as servers speak them
{
    my %file = ('a b.txt' => 'of the file', 'list' => 'nothing', 'broken' => 'a part');
    my $ftp = server(sub {
        my ($control) = @_;
        my ($data, $named) = (undef, '127,0,0,1');
        print {$control} "220 ready\r\n";
        while (defined(my $line = <$control>)) {
            $line =~ s/\s+\z//;
            my ($command, $what) = split / /, $line, 2;
            if ($command eq 'USER') {
                $named = '127,0,0,2' if $what eq 'elsewhere';
                print {$control} "331 and the password\r\n";
            }
            elsif ($command eq 'PASS') { print {$control} $what eq 'wrong' ? "530 no\r\n" : "230 in\r\n" }
            elsif ($command eq 'PASV') {
                $data = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', Timeout => 5);
                print {$control} "227 at ($named,", join(',', int($data->sockport / 256), $data->sockport % 256), ")\r\n";
            }
            elsif ($command eq 'CWD') { print {$control} $what eq 'pub' || $what eq '/' ? "250 there\r\n" : "550 none\r\n" }
            elsif ($command eq 'MDTM') { print {$control} exists $file{$what} ? "213 20260102030405\r\n" : "550 none\r\n" }
            elsif ($command eq 'SIZE') { print {$control} exists $file{$what} ? '213 ' . length($file{$what}) . "\r\n" : "550 none\r\n" }
            elsif ($command =~ /\A(?:RETR|LIST|NLST)\z/) {
                if ($command eq 'RETR' && !exists $file{$what}) { print {$control} "550 none\r\n"; next }
                print {$control} "150 follows\r\n";
                my $to = $data->accept or last;
                print {$to} $command eq 'RETR' ? $file{$what} : map { "-rw-r--r-- 1 u g 11 Jan  2 03:04 $_\r\n" } 'a b.txt', 'javascript:x', '<%41>';
                close $to;
                print {$control} $command eq 'RETR' && $what eq 'broken' ? "426 disk error\r\n" : "226 done\r\n";
            }
            elsif ($command eq 'STOR') {
                print {$control} "150 send\r\n";
                my $from = $data->accept or last;
                $file{$what} = do { local $/; <$from> };
                print {$control} $what eq 'full' ? "552 disk full\r\n" : "226 done\r\n";
            }
            elsif ($command eq 'QUIT') { print {$control} "221 bye\r\n"; last }
            else { print {$control} "200 well\r\n" }
        }
    });
    my $file = $ua->get("ftp://$ftp/pub/a%20b.txt");
    is($file->content, 'of the file', 'a file by ftp');
    is($file->content_type, 'text/plain', 'its type');
    is($file->last_modified, str2time('2026-01-02 03:04:05Z'), 'its time');
    is($ua->get("ftp://elsewhere:x\@$ftp/pub/a%20b.txt")->content, 'of the file', 'from the server itself, whatever other host it names');
    is($ua->get("ftp://$ftp/pub/none")->code, 404, 'one that is not there');
    is($ua->get("ftp://$ftp/elsewhere/x")->code, 404, 'nor is its directory');
    like($ua->get("ftp://$ftp/pub/")->content, qr{<a href="a%20b\.txt">a b\.txt</a>}, 'a directory');
    like($ua->get("ftp://$ftp/pub/")->content, qr{<a href="javascript%3Ax">javascript:x</a>.*<a href="%3C%2541%3E">&lt;%41&gt;</a>}s, 'its names are names');
    is($ua->get("ftp://$ftp/pub/broken")->status_line, '500 FTP close response: 426 disk error', 'a transfer that the server broke off');
    is($ua->put("ftp://$ftp/pub/full", Content => 'x')->status_line, '500 FTP close response: 552 disk full', 'and one that it did not take');
    is($ua->get("ftp://$ftp/pub/a%0DDELE%20x")->code, 400, 'a command is one line');
    is($ua->get("ftp://$ftp/pub/a%20b.txt", ':content_cb' => sub { die "enough\n" })->header('X-Died'), 'enough', 'the script may have had enough');
    is($ua->get("ftp://user:wrong\@$ftp/pub/x")->code, 401, 'a wrong password');
    is($ua->put("ftp://$ftp/pub/new", Content => 'sent')->code, 201, 'sent');
    is($ua->get("ftp://$ftp/pub/a%20b.txt", If_Modified_Since => time2str(time))->code, 304, 'nothing new');
    is($ua->get("ftp://$ftp/pub/x%0D%0ADELE%20y")->code =~ /\A[45]/ ? 1 : 0, 1, 'a name is no command');

    my $gopher = server(sub {
        my ($connection) = @_;
        my $asked = <$connection>;
        $asked =~ s/\s+\z//;
        print {$connection} $asked eq '' ? "0Some <text>\t/text\thost\t70\r\niNo link\tx\thost\t70\r\n.\r\n" : "asked [$asked]\n";
    });
    is($ua->get("gopher://$gopher/0/a%0d%0ab")->content, "asked [/ab]\n", 'a text by gopher, asked in one line');
    my $menu = $ua->get("gopher://$gopher/")->content;
    like($menu, qr{<A HREF="gopher://host:70/0/text">Some &lt;text></A>}, 'a menu');

    # Servers that answer nothing, or more than anybody reads
    my $silent = server(sub { my ($connection) = @_; while (<$connection>) { } });
    my $hasty = LWP::UserAgent->new(timeout => 1);
    is($hasty->get("gopher://$silent/0/x")->header('X-Died'), 'read timeout', 'a server that says nothing');
    my $endless = server(sub {
        my ($connection) = @_;
        local $SIG{PIPE} = 'DEFAULT';
        POSIX::_exit(0) if !fork && do { 1 while print {$connection} 'x' x 65_536; 1 };
    });
    like($hasty->get("gopher://$endless/1/x")->header('X-Died') || $hasty->get("gopher://$endless/1/x")->status_line, qr/menu is longer than/, 'an endless menu');
    my $capped = LWP::UserAgent->new(max_size => 100_000)->get("gopher://$endless/0/x");
    is($capped->header('Client-Aborted'), 'max_size', 'an endless text, up to max_size');
    is($hasty->get('gopher://127.0.0.1:1/0/x')->code, 500, 'nobody there');

    # Through a proxy of HTTP
    my @answers = (
        "HTTP/1.1 100 Continue\r\nX-Way: 1\r\n\r\nHTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nX-Long: a\r\n b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\ncut",
        "SMTP\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: " . 'x' x 200_000,
        "HTTP/1.1 200 OK\r\n" . "X: y\r\n" x 2_000,
        "HTTP/1.1 100 Go on\r\n\r\n" x 2_000,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd",
    );
    my $proxy = server(sub {
        my ($connection) = @_;
        my ($head, $length) = ('', 0);
        while (defined(my $line = <$connection>)) {
            $head .= $line;
            $length = $1 if $line =~ /\AContent-Length: (\d+)/;
            last if $line eq "\r\n";
        }
        read $connection, $head, $length, length $head if $length;
        my $which = $head =~ m{/answer/(\d+)} ? $1 : 0;
        local $SIG{PIPE} = 'IGNORE';
        print {$connection} $answers[$which], $which ? () : $head;
    });
    my $by = LWP::UserAgent->new(agent => 'test/1', timeout => 10);
    $by->proxy(ftp => "http://us%40er:pass\@$proxy/");
    my $through = $by->post('ftp://host.example/a%20b#part', X => "1\n2", Content => 'sent');
    is($through->code, 200, 'ftp through a proxy');
    is($through->header('X-Long'), 'a b', 'its head');
    is($through->header('X-Way'), undef, 'and no other');
    my ($line, @lines) = split /\r\n/, $through->content;
    is($line, 'POST ftp://host.example/a%20b HTTP/1.0', 'the proxy is asked for the whole address');
    is_deeply([sort @lines], [sort 'Connection: close', 'Content-Length: 4', 'Content-Type: application/x-www-form-urlencoded', 'Host: host.example',
        'Proxy-Authorization: Basic dXNAZXI6cGFzcw==', 'User-Agent: test/1', 'X: 1 2', '', 'sent'], 'and told who asks');
    # What is asked for is the script's to write: with a host, without one, with a user. A URL of any scheme goes.
    $by->proxy([qw(file foo mailto urn)] => "http://$proxy/");
    my @addresses = (
        'ftp://me:it%40@host.example:21/x' => ['Authorization: Basic bWU6aXRA', 'Host: host.example:21'],
        'file:relative.txt'                => ['Host: '],
        'file:///etc/motd'                 => ['Host: '],
        'file://Host.example/x'            => ['Host: Host.example'],
        'foo:bar'                          => ['Host: '],
        'urn:isbn:0'                       => ['Host: '],
    );
    while (my ($address, $tells) = splice @addresses, 0, 2) {
        my ($asked, @told) = split /\r\n/, $by->get($address)->content;
        is($asked, "GET $address HTTP/1.0", $address);
        is_deeply([sort grep { /\A(?:Host|Authorization):/ } @told], $tells, 'and its host');
    }
    like($by->get('ftp://me:it@host.example/', Authorization => 'Mine')->content, qr/^Authorization: Mine\r$/m, 'the script\'s own word first');
    my $nameless = LWP::UserAgent->new(agent => '', timeout => 10);
    $nameless->proxy(ftp => "http://$proxy/");
    unlike($nameless->get('ftp://host.example/')->content, qr/user-agent/i, 'nor who does not want to be named');
    like($by->get('ftp://host.example/answer/1')->header('X-Died'), qr/EOF before the body's end/, 'a body that is cut off');
    my @wrong = (2 => qr/does not speak HTTP/, 3 => qr/line is longer than/, 4 => qr/more than 1000 lines/, 5 => qr/more than 1000 lines/, 6 => qr/transfer coding/, 7 => qr/length that is none/);
    while (my ($which, $says) = splice @wrong, 0, 2) {
        like($by->get("ftp://host.example/answer/$which")->status_line, qr/\A500 .*$says/, "a wrong answer: $which");
    }
    is($by->get('ftp://host.example/answer/8')->content, 'abc', 'no more than the length says');
    is($by->head('ftp://host.example/answer/8')->content, '', 'a head alone');
    $by->proxy(ftp => 'https://proxy.example/');
    is($by->get('ftp://host.example/')->code, 501, 'a proxy of https does http and https alone');

    my $nntp = server(sub {
        my ($connection) = @_;
        print {$connection} "200 ready\r\n";
        while (defined(my $line = <$connection>)) {
            if ($line =~ /\AARTICLE <1\@x>/) { print {$connection} "220 0 <1\@x>\r\nSubject: s\r\nFrom: f\r\n\r\nbody\r\n.\r\n" }
            elsif ($line =~ /\AQUIT/) { print {$connection} "205 bye\r\n"; last }
            elsif ($line =~ /\AMODE/) { print {$connection} "200 ready\r\n" }
            else { print {$connection} "430 none\r\n" }
        }
    });
    my $article = $ua->get("news://$nntp/1\@x");
    is($article->header('Subject'), 's', 'an article\'s fields');
    is($article->content, "body\n", 'and its text');
    is($ua->get("nntp://$nntp/2\@x")->code, 404, 'one that is not there');
    is($ua->get("news://$nntp/$_")->code, 400, "a command is one line: $_") for '1%0DQUIT@x', '1@x%0AQUIT', 'group%0DQUIT';
}

# --- Robots
{
    my $rules = WWW::RobotRules->new('Walker/2.0');
    my $text = "# all\nUser-agent: *\nDisallow: /all\nDisallow: http://other.example/elsewhere\n\nUser-Agent: walker\nUser-Agent: runner\nDisallow: /private # not this\nDisallow: /cgi?x\n";
    $rules->parse('http://h.example/robots.txt', $text, time + 100);
    my @allowed = map { $rules->allowed("http://h.example$_") } qw(/ /all /private /private/x /cgi?x=1 /cgi);
    is_deeply(\@allowed, [1, 1, 0, 0, 0, 1], 'one\'s own record counts');
    is($rules->allowed('http://h.example:81/'), -1, 'of another port nothing is known');
    $rules->agent('other/1.0');
    is($rules->allowed('http://h.example/'), -1, 'nor for another robot');
    $rules->parse('http://h.example/robots.txt', $text);
    is_deeply([map { $rules->allowed("http://h.example$_") } qw(/all /private /elsewhere)], [0, 1, 1], 'the others\' record');
    $rules->parse('http://h.example/robots.txt', "Disallow: /all\n");
    is($rules->allowed('http://h.example/all'), 0, 'a rule for nobody is for all');
    isa_ok($rules, 'WWW::RobotRules::InCore');
    $rules->parse('http://h.example/robots.txt', "User-agent: *\nDisallow:\n");
    is($rules->allowed('http://h.example/x'), 1, 'nothing is disallowed');
    $rules->parse('http://h.example/robots.txt', '', time - 10);
    is($rules->allowed('http://h.example/x'), -1, 'what was said is old');
    {
        package NamedElsewhere;
        our @ISA = ('WWW::RobotRules');
        sub agent { return 'walker' }
    }
    my $elsewhere = NamedElsewhere->new;
    $elsewhere->parse('http://h.example/robots.txt', $text);
    is($elsewhere->allowed('http://h.example/private'), 0, 'the name is the one that the class gives');
    $rules->parse('http://h.example/robots.txt', "User-agent: *\nDisallow: /a" . ' ' x 200_000 . "b#\n" . ' ' x 200_000 . "#\n" . ' ' x 200_000 . "\n");
    is($rules->allowed('http://h.example/a'), 1, 'long runs of blanks are read at once');

    my @asked;
    my $robot = LWP::RobotUA->new(agent => 'walker/1.0', from => 'a@b.example', delay => 1, use_sleep => 0);
    $robot->add_handler(request_send => sub {
        my ($request) = @_;
        push @asked, $request->uri->path;
        return HTTP::Response->new(200, 'OK', ['Content-Type' => 'text/plain'], $request->uri->path eq '/robots.txt' ? "User-agent: *\nDisallow: /no\n" : 'page');
    });
    is($robot->get('http://h.example/no/x')->code, 403, 'a robot does not go where it may not');
    is_deeply(\@asked, ['/robots.txt'], 'after it has asked');
    $robot->delay(0);
    is($robot->get('http://h.example/yes')->content, 'page', 'and goes where it may');
    $robot->delay(1);
    my $response = $robot->get('http://h.example/yes');
    ok($response->code == 503 && $response->header('Retry-After'), 'nor does it hurry');
    is($robot->no_visits('h.example:80'), 2, 'visits are counted');
    ok(!eval { LWP::RobotUA->new('walker/1.0') }, 'it says whose it is');
}

# --- Dates as texts have whole seconds, and say Z for Greenwich
my @dates = (
    '2001-02-03 04:05:06.789'     => '2001-02-03 04:05:06',
    '2001-02-03T04:05:06.7Z'      => '2001-02-03 04:05:06Z',
    '2001-02-03 04:05:06 +0000'   => '2001-02-03 04:05:06Z',
    '2001-02-03 04:05:06.5 +0100' => '2001-02-03 04:05:06+0100',
    '3 Feb 2001 04:05:06 UTC'     => '2001-02-03 04:05:06Z',
    '3 Feb 2001 04:05:06.5 GMT'   => undef,
);
while (my ($date, $as_text) = splice @dates, 0, 2) {
    is(scalar HTTP::Date::parse_date($date), $as_text, $date);
}
is((HTTP::Date::parse_date('2001-02-03 04:05:06.789'))[5], '06.789', 'a list has the fraction');

# --- Dates that are made to take long, or to be taken for others
is(str2time($_), undef, 'no date: ' . (/[^\x00-\x7f]/ ? 'other digits' : substr $_, 0, 30))
    for 'Thu, 03 Feb 1994 00:00:00 GMT' . ' ' x 50_000 . 'x', '1994-02-03 ' . '1' x 50_000, "\x{661}\x{669}\x{669}\x{664}-02-03", '03 Feb 1994 00:00:00 NOZONE', 'Thu, 01 Jan 1880 00:00:00 GMT';
is(str2time('03 Feb 1994 02:00:00 CEST'), 760_233_600, 'a zone by its name');
is(str2time('02-03-1994 12:00AM', 'GMT'), 762_652_800 - 28 * 86_400, 'month, day, a year of four digits');

# --- Cookies
sub jar_of {
    my ($url, @set) = @_;
    my $jar = HTTP::Cookies->new;
    my $response = HTTP::Response->new(200, 'OK', [map { ('Set-Cookie' => $_) } @set]);
    $response->request(HTTP::Request->new(GET => $url));
    $jar->extract_cookies($response);
    return $jar;
}
sub sent {
    my ($jar, $url) = @_;
    my $request = HTTP::Request->new(GET => $url);
    $jar->add_cookie_header($request);
    return join '; ', sort split /; /, $request->header('Cookie') || '';
}
is(sent(jar_of('http://a.example/', 'a=1 ; secure ; path=/'), 'http://a.example/'), '', 'secure, with blanks');
is(sent(jar_of('http://a.example/', 'a=1', 'b=2; expires=Fri Feb  2 00:00:00 GMT 1950'), 'http://a.example/'), 'a=1', 'over since before there was a time');
is(sent(jar_of('http://10.0.0.1/', 'a=1; domain=0.0.1'), 'http://20.0.0.1/'), '', 'an address has no domain');
is_deeply(HTTP::Cookies::_split_text('a="x;\\"y";b; c'), ['a=x;"y', 'b', 'c'], 'quotes keep a semicolon');

# --- Messages
{
    my $message = HTTP::Message->new(['Content-Type' => 'text/plain'], 'x' x 100_000);
    $message->encode('gzip');
    $message->max_body_size(1_000);
    ok(!eval { $message->decoded_content(raise_error => 1); 1 }, 'a body unfolds to no more than it may');
    $message->max_body_size(undef);
    is(length $message->decoded_content, 100_000, 'or to anything');
    my %charset = (
        "<meta charset='latin1'>" => 'ISO-8859-1', '<!-- <meta charset="x"> -->' => 'US-ASCII', '<meta content="a; charset=koi8-r">' => 'KOI8-R', '<meta charset=UTF-16>' => 'UTF-8',
    );
    for my $html (sort keys %charset) {
        is(HTTP::Message->new(['Content-Type' => 'text/html'], $html)->content_charset, $charset{$html}, "what $html says");
    }
    is(ref HTTP::Message->can('user_agent'), 'CODE', 'what headers can a message can');
    ok(!HTTP::Message->can('no_such_thing'), 'and nothing else');
    my $headers = HTTP::Message->parse("x_Y: 1\nX-FIRST: 2\n\n")->headers;
    is($headers->as_string, "X-FIRST: 2\nX_Y: 1\n", 'names as they came');
    my $response = HTTP::Response->new(401, 'no', ['WWW-Authenticate' => 'A realm="x", b="1, 2"', 'WWW-Authenticate' => 'Basic realm="y"']);
    is_deeply({ $response->www_authenticate }, { a => { realm => 'x', b => '1, 2' }, basic => { realm => 'y' } }, 'challenges');
    $response->etag('w/a');
    is($response->etag, 'W/"a"', 'a tag of a version');
    my $config = HTTP::Config->new;
    $config->add_item($_->[0], @$_[1 .. $#$_]) for ['any'], ['secure', m_secure => 1], ['path', m_path_prefix => '/a'], ['domain', m_domain => '.example'], ['host', m_host => 'h.example'];
    is_deeply([$config->matching_items('https://h.example/a/b')], [qw(host domain path secure any)], 'what tells most comes first');
}

# --- What is kept
{
    my $cache = LWP::ConnCache->new(total_capacity => 3);
    $cache->deposit('http', "h$_", "connection $_") for 1 .. 4;
    is_deeply([$cache->get_connections], ['connection 2', 'connection 3', 'connection 4'], 'the oldest goes first');
    $cache->deposit('ftp', 'f', 'connection 5');
    is_deeply([sort $cache->get_types], [qw(ftp http)], 'of two types');
    $cache->capacity(http => 1);
    is_deeply([$cache->get_connections('http')], ['connection 4'], 'one of which has room for one');
    is($cache->withdraw('http', 'h4'), 'connection 4', 'taken out');
    is($cache->withdraw('http', 'h4'), undef, 'once');
    $cache->drop('ftp');
    is_deeply([$cache->get_connections], [], 'given up');
}

done_testing;
