import { createReadStream, createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { OverlaySnapshotter } from '#snapshot/overlay.ts';
import { UnpackPool } from '#image/layer/pool.ts';
import { ImageService } from '#image/image.ts';
const [dir, cmd, ...args] = process.argv.slice(2);
const snapshots = await OverlaySnapshotter.open(dir!);
const pool = new UnpackPool({ nativePath: '/work/main/build/coracle-native' });
let maxLag = 0, last = performance.now();
const lag = setInterval(() => { const n = performance.now(); maxLag = Math.max(maxLag, n - last - 5); last = n; }, 5);
const images = await ImageService.open({ dataRoot: dir!, snapshots, unpacker: pool, publisher: { publish: (h) => console.log('EVENT', h.action, h.actor.attributes.name) }, usedBy: () => [], report: (w, e) => console.log('UNDO FAILED', w, e) });
const signal = new AbortController().signal;
const t = performance.now();
try {
  if (cmd === 'load') await images.load(createReadStream(args[0]!), { signal, quiet: true, onProgress: (p) => console.log(JSON.stringify(p)) });
  if (cmd === 'import') console.log((await images.import(createReadStream(args[0]!), { signal, message: 'Imported from -', reference: args[1]!, changes: args.slice(2) })).id);
  if (cmd === 'rmi') console.log(await images.remove(args[0]!, { force: false, prune: true }));
  if (cmd === 'save') await pipeline(Readable.from(images.save(args.slice(1), signal)), createWriteStream(args[0]!));
  if (cmd === 'history') console.log(images.history(args[0]!));
  if (cmd === 'prep') { await snapshots.prepare('c1', images.resolve(args[0]!).chain); console.log(snapshots.root('c1')); }
  console.log(images.list().map((i) => [i.repoTags.join(), i.id.slice(0, 19), i.size, i.config.cmd?.join(' ')].join(' ')));
} catch (e) { console.log(e); }
console.log((performance.now() - t).toFixed(0), 'ms; lag', maxLag.toFixed(0), 'problems', images.problems);
clearInterval(lag); await pool[Symbol.asyncDispose](); await snapshots[Symbol.asyncDispose]();
