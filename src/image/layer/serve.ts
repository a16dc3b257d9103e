// The worker's side of an unpack: the jobs that it is given, until the pool ends the thread.
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { EngineError } from '#base/error.ts';
import { Growth } from './growth.ts';
import {
  type FromWorker,
  type LayerJob,
  type OpenTree,
  type ToWorker,
  runLayerJob,
  toWireError,
} from './job.ts';

const PROGRESS_BYTES = 4 * 1024 * 1024;
/** Nice value of this thread and its C process: requests to the engine come before unpacking. */
const UNPACK_NICE = 5;

export function serveUnpack(openTree: OpenTree): void {
  const port = parentPort;
  if (port === null) throw new EngineError('internal', 'not a worker thread');
  const tell = (message: FromWorker) => port.postMessage(message);
  const running = new Map<number, { readonly abort: AbortController; readonly growth: Growth }>();
  // On Linux "process" 0 is the calling thread (setpriority(2), "C library/kernel differences").
  setPriority(0, UNPACK_NICE);

  const run = async (id: number, job: LayerJob, follow: boolean): Promise<void> => {
    const abort = new AbortController();
    const growth = new Growth();
    running.set(id, { abort, growth });
    let told = 0;
    const onProgress = (blobBytes: number): void => {
      if (blobBytes - told < PROGRESS_BYTES) return;
      told = blobBytes;
      tell({ type: 'progress', id, blobBytes });
    };
    try {
      const watch = { signal: abort.signal, onProgress, ...(follow ? { growth } : {}) };
      const result = await runLayerJob(job, openTree, watch);
      tell({ type: 'done', id, result });
    } catch (error) {
      tell({ type: 'failed', id, error: toWireError(error) });
    } finally {
      running.delete(id);
    }
  };

  port.on('message', (message: ToWorker) => {
    const job = running.get(message.id);
    if (message.type === 'abort') job?.abort.abort();
    else if (message.type === 'grown') job?.growth.set(message.bytes, message.whole);
    else void run(message.id, message.job, message.follow);
  });
}
