"""Writes script_libraries.def, with what redis-server 7.0 gives for the lines of script_libraries.txt:

python tests/core/script_libraries.py
"""

from __future__ import annotations

import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
LINES = HERE / "script_libraries.txt"
RECORDED = HERE / "script_libraries.def"

PRELUDE = r"""
local function show(v)
  local t = type(v)
  if t == 'number' then return v ~= v and 'nan' or string.format('%.17g', v) end
  if t == 'string' then
    return "'" .. v:gsub("[%c%z\\\\\128-\255]", function(c) return '\\' .. c:byte() .. '.' end) .. "'"
  end
  if t ~= 'table' then return v == cjson.null and 'null' or t == 'boolean' and tostring(v) or t end
  local keys, n = {}, 0
  for k in pairs(v) do
    n = n + 1
    keys[n] = show(k)
    keys[keys[n]] = show(v[k])
  end
  local sorted = {}
  for i = 1, n do sorted[i] = keys[i] end
  table.sort(sorted)
  for i = 1, n do sorted[i] = sorted[i] .. '=' .. keys[sorted[i]] end
  return '{' .. table.concat(sorted, ' ') .. '}'
end
local function list(...) return select('#', ...), {...} end
local function shown(ok, n, values)
  if not ok then return 'error: ' .. show((n:gsub('^[%w_]+:%d+: ', ''))) end
  local t = {}
  for i = 1, n do t[i] = show(values[i]) end
  return table.concat(t, ' ')
end
"""
"""Functions that show all results of a call as a text."""

RESET = (
    "cjson.encode_sparse_array(false, 2, 10) cjson.encode_max_depth(1000) cjson.decode_max_depth(1000)"
    " cjson.encode_number_precision(14) cjson.encode_keep_buffer(true) cjson.encode_invalid_numbers(false)"
    " cjson.decode_invalid_numbers(true)"
)


def lines() -> list[str]:
    """The calls."""
    return [line for line in LINES.read_text().splitlines() if line and not line.startswith("#")]


def chunk(line: str) -> str:
    """A script that gives the results of a line, behind PRELUDE."""
    before, _, values = line.rpartition("@@ ")
    return f"return shown(pcall(function() {before} local n, values = list({values}) return n, values end))"


def literal(text: str) -> str:
    """The text in C."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")
    return '"' + escaped.replace("\n", "\\n") + '"'


def main() -> None:
    server = shutil.which("redis-server")
    if server is None:
        sys.exit("script_libraries.py: install redis-server (7.0) first")
    import redis
    from record import running

    with running(server) as connect:
        path = connect().getpeername()
        client = redis.Redis(unix_socket_path=path, decode_responses=False)
        out = ["/* Made by script_libraries.py: what redis-server 7.0 gives. */\n"]
        out += [f"PRELUDE({literal(line)})\n" for line in PRELUDE.strip().splitlines()]
        for line in lines():
            client.eval(RESET, 0)
            result = client.eval(PRELUDE + chunk(line), 0).decode("ascii")
            out.append(f"LIBRARY({literal(chunk(line))},\n        {literal(result)})\n")
        RECORDED.write_text("".join(out))


if __name__ == "__main__":
    main()
