"""TLS: the context, the handshake before a client's first byte, and the certificate's renewal.

A client's bytes do not pass here: after the handshake the loop reads and writes through OpenSSL itself (`openssl.py`).

    context.py        the context that connections are made with
    subject.py        the subject of a certificate, and the user that it names
    validity.py       the time for which a certificate is valid, in words
    watch.py          changes of the certificate's files
    handshake.py      the handshake
    peek.py           a look at a peer's first bytes, which stay to be read
    client_hello.py   a client's first message, and the session ticket in it
    ticket_keys.py    the name of the key of a context's tickets
    tickets.py        brings clients to the worker that made their ticket
    openssl.py        the OpenSSL that made a connection, for the loop
"""
