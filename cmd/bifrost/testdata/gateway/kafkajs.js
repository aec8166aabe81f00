// Reads a topic with kafkajs, and prints what it is given, for the tests of the gateway.
// Arguments: bootstrap servers, topic, and steps as of Read.java: group, subscribe, produce. It has no assign.
// Headers are left out: kafkajs has them as an object, without their order.

const { Kafka, logLevel } = require("kafkajs");

const [servers, topic, ...steps] = process.argv.slice(2);
// KAFKA_LOGIN is MECHANISM:USER:PASSWORD, KAFKA_CA the file with the certificate to believe, if there are any.
const [mechanism, username, password] = (process.env.KAFKA_LOGIN || "").split(":");
const login = mechanism ? {
  ssl: { ca: [require("fs").readFileSync(process.env.KAFKA_CA)] }, sasl: { mechanism: mechanism.toLowerCase(), username, password },
} : {};
const kafka = new Kafka({ brokers: [servers], logLevel: logLevel.NOTHING, retry: { retries: 20, maxRetryTime: 2000 }, ...login });
const text = (b) => (b === null ? "null" : "'" + b.toString("hex"));
let read = 0;
const show = (p, m) => console.log(p, m.offset, m.timestamp, 0, text(m.key), text(m.value));

// The first member begins alone; the others join once it has read something.
async function group(name, n, size) {
  const members = [], owners = new Set();
  const before = read;
  let joined = 0;
  const done = () => read >= n && owners.size >= size;
  const join = async () => {
    const c = kafka.consumer({ groupId: name, heartbeatInterval: 500, maxWaitTimeInMs: 200 });
    const me = joined++;
    members.push(c);
    await c.connect();
    await c.subscribe({ topics: [topic], fromBeginning: true });
    c.on(c.events.GROUP_JOIN, (e) => {
      if (joined === size && Object.keys(e.payload.memberAssignment).length) owners.add(me);
    });
    await c.run({
      eachBatchAutoResolve: false, autoCommit: false,
      eachBatch: async ({ batch, isRunning, isStale, resolveOffset, heartbeat, commitOffsetsIfNecessary }) => {
        for (const m of batch.messages) {
          if (!isRunning() || isStale() || done()) break;
          show(batch.partition, m);
          read++;
          resolveOffset(m.offset);
          await c.commitOffsets([{ topic, partition: batch.partition, offset: String(BigInt(m.offset) + 1n) }]);
          await heartbeat(); // by which it hears of others that join
        }
        await heartbeat();
      },
    });
  };
  const began = Date.now();
  await join();
  while (!done()) {
    if (Date.now() - began > 60000) throw new Error(`after a minute ${read} records`);
    if (joined < size && read > before) await join();
    await new Promise((wake) => setTimeout(wake, 50));
  }
  for (const c of members) await c.disconnect();
}

async function subscribe() {
  const c = kafka.consumer({ groupId: "somebody" });
  await c.connect();
  await c.subscribe({ topics: [topic], fromBeginning: true });
  const crashed = new Promise((tell) => c.on(c.events.CRASH, (e) => {
    if (!e.payload.restart) tell(e.payload.error); // it begins again by itself otherwise
  }));
  await c.run({ eachMessage: async () => {} });
  let error = await crashed;
  while (!error.type && error.cause) error = error.cause;
  console.log("error", error.type || error.name);
  await c.disconnect();
}

async function produce() {
  const p = kafka.producer();
  await p.connect();
  try {
    await p.send({ topic, messages: [{ value: "x" }] });
    console.log("no error");
  } catch (e) {
    console.log("error", e.type || e.name);
  }
  await p.disconnect();
}

(async () => {
  for (const step of steps) {
    console.log("#", step);
    const [mode, name, n, size] = step.split(":");
    if (mode === "group") await group(name, Number(n), Number(size));
    else if (mode === "subscribe") await subscribe();
    else await produce();
  }
  process.exit(0);
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
