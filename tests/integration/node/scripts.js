// Libraries that send scripts through ioredis and node-redis: node scripts.js PORT. It prints what they did as JSON.
const port = Number(process.argv[2]);
const IORedis = require('ioredis');
const { createClient } = require('redis');
const said = {};

async function bullmq() {
  const { Queue, Worker, QueueEvents, FlowProducer } = require('bullmq');
  const connection = { port, maxRetriesPerRequest: null };
  const queue = new Queue('work', { connection });
  const events = new QueueEvents('work', { connection });
  await events.waitUntilReady();
  const worker = new Worker('work', async job => {
    if (job.name === 'bad') throw new Error('no');
    if (job.name === 'again' && job.attemptsMade < 1) throw new Error('once');
    return job.data.n * 2;
  }, { connection, concurrency: 4 });
  await worker.waitUntilReady();
  const jobs = await queue.addBulk([...Array(20).keys()].map(n => ({ name: 'double', data: { n } })));
  const sums = await Promise.all(jobs.map(job => job.waitUntilFinished(events, 30000)));
  said.doubled = sums.reduce((a, b) => a + b, 0);
  const late = await queue.add('double', { n: 5 }, { delay: 100, priority: 2 });
  said.delayed = await late.waitUntilFinished(events, 30000);
  const again = await queue.add('again', { n: 7 }, { attempts: 3, backoff: { type: 'fixed', delay: 50 } });
  said.again = await again.waitUntilFinished(events, 30000);
  const bad = await queue.add('bad', { n: 1 });
  said.bad = await bad.waitUntilFinished(events, 30000).catch(error => error.message);
  const flow = new FlowProducer({ connection });
  const tree = await flow.add({ name: 'double', queueName: 'work', data: { n: 100 },
    children: [{ name: 'double', queueName: 'work', data: { n: 1 } }, { name: 'double', queueName: 'work', data: { n: 2 } }] });
  said.parent = await tree.job.waitUntilFinished(events, 30000);
  said.children = Object.values(await tree.job.getChildrenValues()).sort();
  said.counts = await queue.getJobCounts('completed', 'failed', 'waiting', 'active', 'delayed');
  await queue.pause();
  await queue.add('double', { n: 1 });
  said.paused = await queue.getJobCountByTypes('paused', 'waiting');
  await queue.obliterate({ force: true });
  await Promise.all([worker.close(), events.close(), queue.close(), flow.close()]);
}

async function limiter(redis) {
  const { RateLimiterRedis } = require('rate-limiter-flexible');
  const limit = new RateLimiterRedis({ storeClient: redis, points: 3, duration: 3600, keyPrefix: 'limit' });
  said.points = [];
  for (let i = 0; i < 5; i++) said.points.push(await limit.consume('me').then(r => r.remainingPoints, () => -1));
  await limit.reward('me', 2);
  said.rewarded = (await limit.get('me')).consumedPoints;
  const blocked = new RateLimiterRedis({ storeClient: redis, points: 1, duration: 3600, blockDuration: 3600, keyPrefix: 'b' });
  await blocked.consume('me');
  said.blocked = await blocked.consume('me').then(() => 0, r => r.msBeforeNext > 3000000);
}

async function redlock(redis) {
  const Redlock = require('redlock').default;
  const locks = new Redlock([redis], { retryCount: 0 });
  let lock = await locks.acquire(['a', 'b'], 30000);
  said.second = await locks.acquire(['b'], 30000).then(() => 'taken', error => error.name);
  lock = await lock.extend(30000);
  await lock.release();
  const next = await locks.acquire(['b'], 30000);
  said.next = next.value.length > 0;
  await next.release();
}

async function sessions() {
  const { RedisStore } = require('connect-redis');
  const client = createClient({ socket: { port } });
  await client.connect();
  const store = new RedisStore({ client, prefix: 'sess:' });
  await store.set('one', { cookie: {}, user: 'x' });
  await store.set('two', { cookie: {}, user: 'y' });
  said.session = (await store.get('one')).user;
  await store.touch('one', { cookie: {} });
  said.sessions = [(await store.ids()).sort(), await store.length()];
  await store.destroy('one');
  await store.clear();
  said.cleared = await store.length();
  await client.quit();
}

(async () => {
  const redis = new IORedis(port);
  await bullmq();
  await limiter(redis);
  await redlock(redis);
  await sessions();
  await redis.quit();
  console.log(JSON.stringify(said));
  process.exit(0);
})().catch(error => { console.error(error); process.exit(1); });
