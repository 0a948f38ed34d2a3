// Queues with ioredis at a server of two workers with a password, as one line of JSON: node ioredis_queues.js PORT RESP
const Redis = require("ioredis");
const [port, protocol] = process.argv.slice(2).map(Number);
const client = () => new Redis({ port, host: "127.0.0.1", password: "secret", protocol });
const clients = (count) => Array.from({ length: count }, client);
const until = async (condition) => {
  while (!(await condition())) await new Promise(setImmediate);
};
const CONSUMERS = 6, JOBS = 60;
const said = {};

(async () => {
  const producers = clients(4);
  const consumers = clients(CONSUMERS);
  const blocked = (count) => until(async () => (await producers[0].info("clients")).includes(`blocked_clients:${count}\r`));
  const jobs = [], moved = [], scores = [];
  const rounds = (take) =>
    Promise.all(
      consumers.map(async (one) => {
        while ((await take(one)) !== "stop");
      }),
    );

  let loops = rounds(async (one) => {
    const [, element] = await one.blpop("urgent", "jobs", 0);
    if (element !== "stop") jobs.push(Number(element));
    return element;
  });
  await blocked(CONSUMERS);
  for (let n = 0; n < JOBS; n++) await producers[n % 4].rpush(n % 3 ? "urgent" : "jobs", n);
  for (let n = 0; n < CONSUMERS; n++) await producers[0].rpush("jobs", "stop");
  await loops;
  said.jobs = jobs.sort((a, b) => a - b).join();

  loops = rounds(async (one) => {
    const element = await one.blmove("from", "to", "LEFT", "RIGHT", 0);
    if (element !== "stop") moved.push(Number(element));
    return element;
  });
  await blocked(CONSUMERS);
  for (let n = 0; n < JOBS; n++) await producers[n % 4].rpush("from", n);
  for (let n = 0; n < CONSUMERS; n++) await producers[0].rpush("from", "stop");
  await loops;
  said.moved = [moved.sort((a, b) => a - b).join(), await producers[1].llen("to"), await producers[1].exists("from")];

  loops = rounds(async (one) => {
    const [, , score] = await one.bzpopmin("scores", 0);
    if (Number(score) < 1000) scores.push(Number(score));
    return Number(score) === 1000 ? "stop" : score;
  });
  await blocked(CONSUMERS);
  for (let n = 0; n < JOBS; n++) await producers[n % 4].zadd("scores", n, n);
  await Promise.all(consumers.map((_, n) => producers[n % 4].zadd("scores", 1000, `stop ${n}`)));
  await loops;
  said.scores = scores.sort((a, b) => a - b).join();

  said.vain = [await consumers[0].blpop("nothing", 0.05), await consumers[0].bzpopmin("nothing", 0.05)];
  const id = await consumers[1].client("ID");
  const ended = consumers[1].blpop("nothing", 0).catch((error) => error.message);
  await blocked(1);
  said.unblocked = [await producers[0].client("UNBLOCK", id, "ERROR"), await ended];
  for (const one of [...producers, ...consumers]) one.disconnect();
  console.log(JSON.stringify(said));
})();
