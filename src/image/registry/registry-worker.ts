// Entry of the registry thread: undici and its connections live here, so that an idle daemon does
// not carry them and the event loop that serves the API never hashes a layer.
import { workerData } from 'node:worker_threads';
import { RegistryClient } from './client.ts';
import type { WorkerSettings } from './protocol.ts';
import { serveRegistry } from './serve.ts';

serveRegistry(new RegistryClient(workerData as WorkerSettings).performers);
