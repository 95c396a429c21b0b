package OnlyRuntime;

# Has the client look for the user's broker in XDG_RUNTIME_DIR alone: one that the developer runs elsewhere is none of a
# test's business.

use strict;
use warnings;

use CPANBridge::Places ();

{
    no warnings 'redefine';
    *CPANBridge::Places::usual_sockets = sub { return CPANBridge::Places::user_socket() };
    *CPANBridge::Places::private_sockets = sub { return };
    *CPANBridge::Places::system_socket = sub { return };
}

1;
