// Prints the values of gzip files of plain Baldr in hex, one a line, after the way they were read.
const fs = require('fs'), zlib = require('zlib');

function print(how, plain) {
  for (let at = 0; at < plain.length;) {
    const size = Number(plain.readBigUInt64BE(at));
    if (at + 8 + size > plain.length) throw new Error('cut inside a frame');
    console.log(how + ' ' + plain.subarray(at + 8, at + 8 + size).toString('hex'));
    at += 8 + size;
  }
}

async function main() {
  for (const name of process.argv.slice(2)) {
    print('sync', zlib.gunzipSync(fs.readFileSync(name)));
    const chunks = [];
    for await (const chunk of fs.createReadStream(name, { highWaterMark: 1000 }).pipe(zlib.createGunzip())) chunks.push(chunk);
    print('stream', Buffer.concat(chunks));
  }
}

main();
