package OnlyRuntime;

# Has the client look for the user's broker in XDG_RUNTIME_DIR alone: one that the developer runs elsewhere is none of a
# test's business.

use strict;
use warnings;

use CPANBridge::Launcher ();

{
    no warnings 'redefine';
    *CPANBridge::Launcher::usual_sockets = sub { return CPANBridge::Launcher::user_socket() };
    *CPANBridge::Launcher::private_sockets = sub { return };
    *CPANBridge::Launcher::system_socket = sub { return };
}

1;
