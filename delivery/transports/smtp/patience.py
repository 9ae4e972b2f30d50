"""How long the SMTP transport waits, in seconds."""

from __future__ import annotations

# To one address of the server.
CONNECT_SECONDS = 10.0
# For one reply, however slowly it drips in, and for writing one message.
REPLY_SECONDS = 30.0
# For the reply to a whole message, after which its fate is unknown. RFC 5321, 4.5.3.2.6 lets a server
# take ten minutes; a worker cannot hold its rows that long (SEND_LEASE_SECONDS).
LAST_REPLY_SECONDS = 40.0
# From the name look-up to the end of the log-in.
OPEN_SECONDS = 40.0
# For all connections together to say good-bye.
QUIT_SECONDS = 5.0
# Servers and firewalls hang up on silent connections after a minute or more.
IDLE_SECONDS = 50.0
# How long a server that takes no further connection is not asked for one.
LIMIT_SECONDS = 30.0
# How long all connections must have been busy before more are opened: a short stream, or a slow one, does
# with few.
GROW_SECONDS = 0.1
# Between two looks at what is overdue.
TICK_SECONDS = 0.1
