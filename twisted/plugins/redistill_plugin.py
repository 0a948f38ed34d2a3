from twisted.application.reactors import Reactor
from twisted.application.service import ServiceMaker

Redistill = ServiceMaker("Redistill", "redistill.tap", "A Redis-compatible cache", "redistill")  # type: ignore[no-untyped-call]
RedistillReactor = Reactor("redistill", "redistill.net.reactor", "epoll(7), with Redistill's clients served in C")
