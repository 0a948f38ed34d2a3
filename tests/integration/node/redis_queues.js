// Queues with node-redis at a server of two workers with a password, as one line of JSON: node redis_queues.js PORT RESP
const { createClient } = require("redis");
const [port, RESP] = process.argv.slice(2).map(Number);
const client = async (more = {}) => {
  const redis = createClient({ RESP, password: "secret", socket: { port, host: "127.0.0.1" }, ...more });
  redis.on("error", () => {});
  await redis.connect();
  return redis;
};
const clients = (count) => Promise.all(Array.from({ length: count }, () => client()));
const until = async (condition) => {
  while (!(await condition())) await new Promise(setImmediate);
};
const CONSUMERS = 6, JOBS = 60;
const said = {};

(async () => {
  const producers = await clients(4);
  const consumers = await clients(CONSUMERS);
  const blocked = (count) => until(async () => (await producers[0].info("clients")).includes(`blocked_clients:${count}\r`));
  const jobs = [], moved = [], scores = [];
  const rounds = (take) =>
    Promise.all(
      consumers.map(async (one) => {
        while ((await take(one)) !== "stop");
      }),
    );

  let loops = rounds(async (one) => {
    const found = await one.blPop(["urgent", "jobs"], 0);
    if (found.element !== "stop") jobs.push(Number(found.element));
    return found.element;
  });
  await blocked(CONSUMERS);
  for (let n = 0; n < JOBS; n++) await producers[n % 4].rPush(n % 3 ? "urgent" : "jobs", `${n}`);
  for (let n = 0; n < CONSUMERS; n++) await producers[0].rPush("jobs", "stop");
  await loops;
  said.jobs = jobs.sort((a, b) => a - b).join();

  loops = rounds(async (one) => {
    const found = await one.blMove("from", "to", "LEFT", "RIGHT", 0);
    if (found !== "stop") moved.push(Number(found));
    return found;
  });
  await blocked(CONSUMERS);
  for (let n = 0; n < JOBS; n++) await producers[n % 4].rPush("from", `${n}`);
  for (let n = 0; n < CONSUMERS; n++) await producers[0].rPush("from", "stop");
  await loops;
  said.moved = [moved.sort((a, b) => a - b).join(), await producers[1].lLen("to"), await producers[1].exists("from")];

  loops = rounds(async (one) => {
    const found = await one.bzPopMin("scores", 0);
    if (found.value !== "stop") scores.push(found.score);
    return found.score === 1000 ? "stop" : found.value;
  });
  await blocked(CONSUMERS);
  for (let n = 0; n < JOBS; n++) await producers[n % 4].zAdd("scores", { value: `${n}`, score: n });
  await Promise.all(consumers.map((_, n) => producers[n % 4].zAdd("scores", { value: `stop ${n}`, score: 1000 })));
  await loops;
  said.scores = scores.filter((score) => score < 1000).sort((a, b) => a - b).join();

  said.vain = [await consumers[0].blPop("nothing", 0.05), await consumers[0].bzPopMin("nothing", 0.05)];
  const id = await consumers[1].clientId();
  const ended = consumers[1].blPop("nothing", 0).catch((error) => error.message);
  await blocked(1);
  said.unblocked = [Number(await producers[0].sendCommand(["CLIENT", "UNBLOCK", `${id}`, "ERROR"])), await ended];
  if (RESP === 3) {
    const caching = await Promise.all(consumers.map(() => client({ clientSideCache: { ttl: 0, maxEntries: 100 } })));
    for (const [n, writer] of producers.entries()) {
      await writer.set("cached", `value ${n}`);
      for (const one of caching) await until(async () => (await one.get("cached")) === `value ${n}`);
    }
    const reads = async () => Number(/cmdstat_get:calls=(\d+)/.exec(await producers[0].info("commandstats"))[1]);
    await until(async () => {
      const before = await reads();
      for (const one of caching) await one.get("cached");
      return (await reads()) === before;
    });
    said.cached = true;
    for (const one of caching) one.destroy();
  }
  for (const one of [...producers, ...consumers]) one.destroy();
  console.log(JSON.stringify(said));
})();
