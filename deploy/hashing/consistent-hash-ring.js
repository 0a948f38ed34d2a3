// Client-side sharding: which of several servers has a key. The same ring as consistent_hash_ring.py beside this file.
//
//     const Redis = require("ioredis");
//     const { ConsistentHashRing } = require("./consistent-hash-ring.js");
//
//     const ring = new ConsistentHashRing(["redistill1", "redistill2", "redistill3"].map((host) => new Redis({ host })));
//     await ring.getNode("user:12345").set("user:12345", "data");
"use strict";

const { createHash } = require("node:crypto");

const DIGESTS = 40; // of a server; each gives four points of the ring
const md5 = (data) => createHash("md5").update(data).digest();

/** The name of an ioredis client: host:port, or the path of its socket. */
const address = (node) => node.options.path || `${node.options.host}:${node.options.port}`;

class ConsistentHashRing {
  /** A ring of servers, in any order. A server with another address and the same name has the same keys. */
  constructor(nodes, name = address) {
    const named = new Map(nodes.map((node) => [name(node), node]));
    if (!named.size || named.size !== nodes.length) throw new RangeError("a ring needs servers with different names");
    const points = new Map();
    for (const label of [...named.keys()].sort()) {
      for (let number = 0; number < DIGESTS; number++) {
        const digest = md5(`${label}-${number}`);
        for (const start of [0, 4, 8, 12]) {
          const point = digest.readUInt32LE(start);
          if (!points.has(point)) points.set(point, named.get(label));
        }
      }
    }
    this.ring = [...points].sort(([a], [b]) => a - b);
  }

  /** The server of a key. Of a key with a part in braces only that part counts, if it is not empty. */
  getNode(key) {
    const data = Buffer.from(key);
    const begin = data.indexOf("{") + 1;
    const end = begin ? data.indexOf("}", begin) : -1;
    const point = md5(end > begin ? data.subarray(begin, end) : data).readUInt32LE(0);
    let low = 0;
    let high = this.ring.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ring[middle][0] < point) low = middle + 1;
      else high = middle;
    }
    return this.ring[low % this.ring.length][1];
  }
}

module.exports = { ConsistentHashRing, address };
