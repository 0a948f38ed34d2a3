from twisted.application.service import ServiceMaker

Redistill = ServiceMaker("Redistill", "redistill.tap", "A Redis-compatible cache", "redistill")  # type: ignore[no-untyped-call]
