// What node-redis is to do at a server of two workers with a password, as one line of JSON: node redis.js PORT RESP
const { createClient, RESP_TYPES } = require("redis");
const [port, RESP] = process.argv.slice(2).map(Number);
const options = { RESP, password: "secret", socket: { port, host: "127.0.0.1", reconnectStrategy: 20 } };
const said = {};
const told = (promise) => promise.then(() => "nothing", (error) => error.message);

(async () => {
  const redis = createClient(options);
  redis.on("error", () => {});
  let ready = 0;
  redis.on("ready", () => (ready += 1));
  await redis.connect();
  said.ready = [redis.isReady, ready];
  said.set = [await redis.set("k", "v", { EX: 100 }), await redis.get("k"), (await redis.ttl("k")) > 90];

  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const buffers = redis.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  await buffers.set(bytes, Buffer.concat([bytes, Buffer.from("\r\n")]));
  said.binary = (await buffers.get(bytes)).equals(Buffer.concat([bytes, Buffer.from("\r\n")]));
  await redis.del(bytes);

  said.pipeline = (await Promise.allSettled([redis.incr("n"), redis.incr("k"), redis.incr("n")])).map(
    ({ value, reason }) => reason?.message ?? value,
  );
  said.many = (await Promise.all(Array.from({ length: 10000 }, (_, i) => redis.incrBy("sum", i)))).at(-1);
  said.multi = await redis.multi().set("a", "1").get("a").exec();
  const other = redis.duplicate();
  await other.connect();
  await redis.watch("a");
  await other.set("a", "2");
  said.watched = (await told(redis.multi().get("a").exec())).length > 0 ? null : "executed";
  other.destroy();

  await redis.hSet("h", { f: "v", g: 2, h: "x" });
  await redis.rPush("l", ["a", "b", "c"]);
  await redis.sAdd("s", ["3", "1", "2"]);
  await redis.zAdd("z", [{ score: 1.5, value: "one" }, { score: 2, value: "two" }, { score: 3, value: "three" }], { comparison: "GT" });
  said.types = {
    hash: [{ ...(await redis.hGetAll("h")) }, await redis.hmGet("h", ["f", "none"]), await redis.hIncrBy("h", "g", 5)],
    list: [await redis.lMove("l", "m", "LEFT", "RIGHT"), await redis.lRange("l", 0, -1), await redis.lPopCount("l", 5)],
    set: [[...(await redis.sMembers("s"))].sort(), (await redis.smIsMember("s", ["1", "9"])).map(Number), await redis.sRem("s", "1")],
    zset: [await redis.zRange("z", 0, 1, { REV: true }), await redis.zRank("z", "three"), await redis.zIncrBy("z", 1, "one")],
    scores: (await redis.zRangeWithScores("z", 0, -1)).flatMap(({ value, score }) => [value, String(score)]),
    scans: { h: [], s: [], z: [] },
    wrong: await told(redis.lPush("h", "1")),
  };
  for await (const page of redis.hScanIterator("h")) said.types.scans.h.push(...page.flatMap(({ field, value }) => [field, value]));
  for await (const page of redis.sScanIterator("s")) said.types.scans.s.push(...page);
  for await (const page of redis.zScanIterator("z")) said.types.scans.z.push(...page.flatMap(({ value, score }) => [value, String(score)]));
  for (const found of Object.values(said.types.scans)) found.sort();
  await redis.del(["h", "l", "m", "s", "z"]);

  said.mget = await redis.mGet(["k", "none"]);
  const keys = [];
  for await (const page of redis.scanIterator({ MATCH: "*", COUNT: 2 })) keys.push(...page);
  said.scan = [...new Set(keys)].sort();
  said.errors = [
    await told(redis.sendCommand(["GET"])),
    await told(redis.incr("k")),
    await told(redis.sendCommand(["nosuch", "x"])),
  ];

  await redis.set("short", "lived", { PX: 1 });
  while ((await redis.get("short")) !== null);
  said.expired = await redis.ttl("short");
  const role = await redis.role();
  said.role = [role.role, role.replicationOffest ?? role.replicationOffset, role.replicas];
  said.wait = [await redis.wait(0, 0), await redis.wait(1, 1)];
  said.config = { ...(await redis.configGet("appendonly")) };
  const line = await redis.sendCommand(["CLIENT", "INFO"]);
  said.named = /lib-name=node-redis/.test(line);
  said.resp = Number(/ resp=(\d)/.exec(line)[1]);

  const stranger = createClient({ ...options, password: "wrong", socket: { port, host: "127.0.0.1", reconnectStrategy: false } });
  stranger.on("error", () => {});
  said.stranger = await told(stranger.connect());

  // Whoever serves it dies.
  const again = new Promise((resolve) => redis.once("ready", resolve));
  for (const [, pid] of (await redis.info("workers")).matchAll(/pid=(\d+)/g)) process.kill(Number(pid), "SIGKILL");
  await again;
  said.again = [ready, await redis.get("k"), await redis.incr("n")];
  said.quit = await redis.close().then(() => "OK");
  console.log(JSON.stringify(said));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
