// Messages with node-redis at a server of two workers with a password, as one line of JSON: node redis_messages.js PORT RESP
const { createClient } = require("redis");
const [port, RESP] = process.argv.slice(2).map(Number);
const client = async () => {
  const socket = { port, host: "127.0.0.1", reconnectStrategy: () => 20 };
  const redis = createClient({ RESP, password: "secret", socket });
  redis.on("error", () => {});
  await redis.connect();
  return redis;
};
const clients = async () => {
  const found = [];
  while (found.length < CLIENTS) found.push(await client());
  return found;
};
const CLIENTS = 6;
const said = {};
const until = async (condition) => {
  while (!(await condition())) await new Promise(setImmediate);
};

(async () => {
  const publishers = await clients();
  const subscribers = await clients();
  const heard = subscribers.map(() => []);
  const news = subscribers.map((_, number) => (text, channel) => heard[number].push(`${channel} ${text}`));
  const pattern = subscribers.map((_, number) => (text, channel) => heard[number].push(`new? ${channel} ${text}`));
  for (const [number, one] of subscribers.entries()) {
    await one.subscribe(["news", "more"], news[number]);
    await one.pSubscribe("new?", pattern[number]);
  }
  said.subscribed = [Number((await publishers[0].pubSubNumSub(["more"])).more) - CLIENTS + 2, 3];
  said.counted = [];
  for (const [number, one] of publishers.entries()) said.counted.push(await one.publish("news", `${number}`));
  await until(() => heard.every((list) => list.length === 2 * CLIENTS));
  said.same = heard.every((list) => list.join() === heard[0].join());
  said.heard = [...heard[0]];
  said.left = [];
  for (const one of subscribers) {
    await one.unsubscribe("news");
    said.left.push(2);
    await one.pUnsubscribe("new?");
    said.left.push(1);
  }
  said.none = await publishers[0].publish("news", "x");

  // As Socket.IO's adapter: a pattern for each server's rooms, bytes, a request that counts the servers.
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const rooms = [];
  for (const one of subscribers) {
    await one.pSubscribe("socket.io#/#*", (data, channel) => rooms.push([channel.toString(), data.equals(bytes)].join()), true);
    await one.subscribe("socket.io-request#/#", () => {});
  }
  said.servers = Number((await publishers[0].pubSubNumSub(["socket.io-request#/#"]))["socket.io-request#/#"]);
  await publishers[1].publish("socket.io#/#room1#", bytes);
  await until(() => rooms.length === CLIENTS);
  said.rooms = [...new Set(rooms)];

  // Those who serve them die: the clients subscribe again by themselves.
  for (const [, pid] of (await publishers[0].info("workers")).matchAll(/pid=(\d+)/g)) process.kill(Number(pid), "SIGKILL");
  const publisher = await client();
  await until(async () => {
    try {
      return Number((await publisher.pubSubNumSub(["more"])).more) === CLIENTS && (await publisher.pubSubNumPat()) === 1;
    } catch {
      return false;
    }
  });
  for (const list of heard) list.length = 0;
  said.again = await publisher.publish("more", "again");
  await until(() => heard.every((list) => list.length === 1));
  said.after = heard[0];

  // As Spring Session: sessions that expire.
  await publisher.configSet("notify-keyspace-events", "Egx");
  const listener = await client();
  const expired = [];
  await listener.pSubscribe("__keyevent@*__:expired", (key, channel) => expired.push(`${channel} ${key}`));
  await publisher.set("session:1", "x", { PX: 1 });
  await until(() => expired.length === 1);
  said.expired = expired;
  for (const one of [...publishers, ...subscribers, publisher, listener]) one.destroy();
  console.log(JSON.stringify(said));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
