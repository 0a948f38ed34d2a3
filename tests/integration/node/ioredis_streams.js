// Consumers of a group with ioredis, and BullMQ's events, at a server with a password, as one line of JSON:
// node ioredis_streams.js PORT RESP
const Redis = require("ioredis");
const { QueueEvents, QueueEventsProducer } = require("bullmq");
const [port, protocol] = process.argv.slice(2).map(Number);
const options = { port, host: "127.0.0.1", password: "secret" };
const clients = (count) => Array.from({ length: count }, () => new Redis({ ...options, protocol }));
const until = async (condition) => {
  while (!(await condition())) await new Promise(setImmediate);
};
const CONSUMERS = 4, JOBS = 60;
const said = {};

(async () => {
  const [main, ...others] = clients(4);
  const consumers = clients(CONSUMERS);
  const blocked = (count) => until(async () => (await main.info("clients")).includes(`blocked_clients:${count}\r`));

  // The loop of a consumer: first its own entries that it did not acknowledge, then new ones.
  await main.xgroup("CREATE", "jobs", "group", "$", "MKSTREAM");
  said.busy = await main.xgroup("CREATE", "jobs", "group", "$").catch((error) => error.message);
  await main.xadd("jobs", "*", "job", "left behind");
  await main.xreadgroup("GROUP", "group", "c0", "STREAMS", "jobs", ">");
  const done = [], loops = [];
  let stop = false;
  for (const [n, one] of consumers.entries()) {
    loops.push(
      (async () => {
        let id = "0";
        while (!stop) {
          const found = await one.xreadgroup("GROUP", "group", `c${n}`, "COUNT", 3, "BLOCK", 100, "STREAMS", "jobs", id);
          const entries = found === null ? [] : found[0][1];
          if (entries.length === 0) id = ">";
          for (const [entry, [, job]] of entries) {
            if ((await one.xack("jobs", "group", entry)) === 1) done.push(job);
          }
        }
      })(),
    );
  }
  for (let n = 0; n < JOBS; n++) await others[n % 3].xadd("jobs", "*", "job", n);
  await until(() => done.length === JOBS + 1);
  stop = true;
  await Promise.all(loops);
  said.behind = done.filter((job) => job === "left behind").length;
  said.jobs = done.filter((job) => job !== "left behind").map(Number).sort((a, b) => a - b).join();
  said.pending = await main.xpending("jobs", "group");
  said.length = await main.xlen("jobs");

  // A consumer that is gone: another one claims what it had.
  await main.xadd("jobs", "*", "job", "lost");
  await consumers[0].xreadgroup("GROUP", "group", "gone", "STREAMS", "jobs", ">");
  const [next, claimed] = await main.xautoclaim("jobs", "group", "c1", 0, "0");
  said.claimed = [next, claimed.map(([, fields]) => fields)];
  const waiting = consumers[0].xreadgroup("GROUP", "group", "c0", "BLOCK", 0, "STREAMS", "jobs", ">").catch((e) => e.message);
  await blocked(1);
  await main.xgroup("DESTROY", "jobs", "group");
  said.destroyed = await waiting;

  // BullMQ: one that publishes events, and two that wait for them.
  const connection = { ...options, maxRetriesPerRequest: null };
  const listeners = [new QueueEvents("q", { connection }), new QueueEvents("q", { connection, lastEventId: "0-0" })];
  const producer = new QueueEventsProducer("q", { connection });
  const heard = [[], []];
  listeners.forEach((one, n) => one.on("done", ({ n: number }) => heard[n].push(Number(number))));
  await Promise.all(listeners.map((one) => one.waitUntilReady()));
  await blocked(2);
  for (let n = 0; n < JOBS; n++) await producer.publishEvent({ eventName: "done", n });
  await until(() => heard.every((numbers) => numbers.length === JOBS));
  said.events = heard.map((numbers) => numbers.join());
  await Promise.all([...listeners, producer].map((one) => one.close()));
  for (const one of [main, ...others, ...consumers]) one.disconnect();
  console.log(JSON.stringify(said));
  process.exit(0);
})();
