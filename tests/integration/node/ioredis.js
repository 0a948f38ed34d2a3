// What ioredis is to do at a server of two workers with a password, as one line of JSON: node ioredis.js PORT RESP
const Redis = require("ioredis");
const [port, protocol] = process.argv.slice(2).map(Number);
const options = { port, protocol, password: "secret", lazyConnect: true, retryStrategy: () => 20 };
const said = {};
const told = (promise) => promise.then(() => "nothing", (error) => error.message);

(async () => {
  const redis = new Redis(options);
  redis.on("error", () => {});
  let ready = 0;
  redis.on("ready", () => (ready += 1));
  await redis.connect();
  said.ready = [redis.status, ready];
  said.set = [await redis.set("k", "v", "EX", 100), await redis.get("k"), (await redis.ttl("k")) > 90];

  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await redis.set(bytes, Buffer.concat([bytes, Buffer.from("\r\n")]));
  said.binary = (await redis.getBuffer(bytes)).equals(Buffer.concat([bytes, Buffer.from("\r\n")]));
  await redis.del(bytes);

  said.pipeline = (await redis.pipeline().incr("n").incr("k").incr("n").exec()).map(([error, value]) => error?.message ?? value);
  const many = redis.pipeline();
  for (let i = 0; i < 10000; i++) many.incrby("sum", i);
  said.many = (await many.exec()).at(-1)[1];
  said.multi = await redis.multi().set("a", 1).get("a").exec();
  const other = redis.duplicate();
  await redis.watch("a");
  await other.set("a", 2);
  said.watched = await redis.multi().get("a").exec();
  other.disconnect();

  await redis.hset("h", { f: "v", g: 2, h: "x" });
  await redis.rpush("l", "a", "b", "c");
  await redis.sadd("s", 3, 1, 2);
  await redis.zadd("z", "GT", 1.5, "one", 2, "two", 3, "three");
  const pages = { h: redis.hscanStream("h"), s: redis.sscanStream("s"), z: redis.zscanStream("z") };
  said.types = {
    hash: [{ ...(await redis.hgetall("h")) }, await redis.hmget("h", "f", "none"), await redis.hincrby("h", "g", 5)],
    list: [await redis.lmove("l", "m", "LEFT", "RIGHT"), await redis.lrange("l", 0, -1), await redis.lpop("l", 5)],
    set: [(await redis.smembers("s")).sort(), await redis.smismember("s", 1, 9), await redis.srem("s", 1)],
    zset: [await redis.zrange("z", 0, 1, "REV"), await redis.zrank("z", "three"), Number(await redis.zincrby("z", 1, "one"))],
    scores: (await redis.zrange("z", 0, -1, "WITHSCORES")).flat().map(String),
    scans: {},
    wrong: await told(redis.lpush("h", 1)),
  };
  for (const [name, stream] of Object.entries(pages)) {
    const found = [];
    for await (const page of stream) found.push(...page);
    said.types.scans[name] = found.map(String).sort();
  }
  await redis.del("h", "l", "m", "s", "z");

  said.mget = await redis.mget("k", "none");
  const keys = [];
  for await (const page of redis.scanStream({ match: "*", count: 2 })) keys.push(...page);
  said.scan = [...new Set(keys)].sort();
  said.errors = [await told(redis.get()), await told(redis.incr("k")), await told(redis.call("nosuch", "x"))];

  await redis.set("short", "lived", "PX", 1);
  while ((await redis.get("short")) !== null);
  said.expired = await redis.ttl("short");
  said.role = await redis.role();
  said.wait = [await redis.wait(0, 0), await redis.wait(1, 1)];
  said.config = Object.fromEntries([await redis.config("GET", "appendonly")].map((flat) => [flat[0], flat[1]]));
  said.named = /lib-name=ioredis/.test(await redis.client("INFO"));
  said.resp = Number(/ resp=(\d)/.exec(await redis.client("INFO"))[1]);

  const stranger = new Redis({ ...options, password: "wrong", retryStrategy: null });
  const refused = new Promise((resolve) => stranger.on("error", (error) => resolve(error.message)));
  stranger.connect().catch(() => {});
  said.stranger = await refused;
  stranger.disconnect();

  // Whoever serves it dies.
  const again = new Promise((resolve) => redis.once("ready", resolve));
  for (const [, pid] of (await redis.info("workers")).matchAll(/pid=(\d+)/g)) process.kill(Number(pid), "SIGKILL");
  await again;
  said.again = [ready, await redis.get("k"), await redis.incr("n")];
  said.quit = await redis.quit();
  console.log(JSON.stringify(said));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
