// Messages with ioredis at a server of two workers with a password, as one line of JSON: node ioredis_messages.js PORT RESP
const Redis = require("ioredis");
const [port, protocol] = process.argv.slice(2).map(Number);
const client = () => {
  const redis = new Redis({ port, protocol, password: "secret", retryStrategy: () => 20 });
  redis.on("error", () => {});
  return redis;
};
const CLIENTS = 6;
const said = {};
const until = async (condition) => {
  while (!(await condition())) await new Promise(setImmediate);
};

(async () => {
  const publishers = Array.from({ length: CLIENTS }, client);
  const subscribers = Array.from({ length: CLIENTS }, client);
  const heard = subscribers.map(() => []);
  for (const [number, one] of subscribers.entries()) {
    one.on("message", (channel, text) => heard[number].push(`${channel} ${text}`));
    one.on("pmessage", (pattern, channel, text) => heard[number].push(`${pattern} ${channel} ${text}`));
    said.subscribed = [await one.subscribe("news", "more"), await one.psubscribe("new?")];
  }
  said.counted = [];
  for (const [number, one] of publishers.entries()) said.counted.push(await one.publish("news", `${number}`));
  await until(() => heard.every((list) => list.length === 2 * CLIENTS));
  said.same = heard.every((list) => list.join() === heard[0].join());
  said.heard = [...heard[0]];
  said.left = [];
  for (const one of subscribers) said.left.push(await one.unsubscribe("news"), await one.punsubscribe("new?"));
  said.none = await publishers[0].publish("news", "x");

  // As Socket.IO's adapter: a pattern for each server's rooms, bytes, a request that counts the servers.
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const rooms = [];
  for (const one of subscribers) {
    one.on("pmessageBuffer", (pattern, channel, data) => rooms.push([channel.toString(), data.equals(bytes)].join()));
    await one.psubscribe("socket.io#/#*");
    await one.subscribe("socket.io-request#/#");
  }
  said.servers = (await publishers[0].pubsub("NUMSUB", "socket.io-request#/#"))[1];
  await publishers[1].publish("socket.io#/#room1#", bytes);
  await until(() => rooms.length === CLIENTS);
  said.rooms = [...new Set(rooms)];

  // Those who serve them die: the clients subscribe again by themselves.
  for (const [, pid] of (await publishers[0].info("workers")).matchAll(/pid=(\d+)/g)) process.kill(Number(pid), "SIGKILL");
  const publisher = client();
  await until(async () => {
    try {
      return (await publisher.pubsub("NUMSUB", "more"))[1] === CLIENTS && (await publisher.pubsub("NUMPAT")) === 1;
    } catch {
      return false;
    }
  });
  for (const list of heard) list.length = 0;
  said.again = await publisher.publish("more", "again");
  await until(() => heard.every((list) => list.length === 1));
  said.after = heard[0];

  // As Spring Session: sessions that expire.
  await publisher.config("SET", "notify-keyspace-events", "Egx");
  const listener = client();
  const expired = [];
  listener.on("pmessage", (pattern, channel, key) => expired.push(`${channel} ${key}`));
  await listener.psubscribe("__keyevent@*__:expired");
  await publisher.set("session:1", "x", "PX", 1);
  await until(() => expired.length === 1);
  said.expired = expired;
  for (const one of [...publishers, ...subscribers, publisher, listener]) one.disconnect();
  console.log(JSON.stringify(said));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
