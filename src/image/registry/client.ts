// The registry thread's operations, put together: one object a thread.
import { download } from './download.ts';
import { Http } from './http.ts';
import { login } from './login.ts';
import { headManifest, readManifest } from './manifest-read.ts';
import type { Performers, WorkerSettings } from './protocol.ts';
import { ByteRate, Slots } from './rate.ts';
import { Reader } from './reader.ts';
import { search } from './search.ts';
import { Sites } from './sites.ts';
import { listTags } from './tags.ts';
import { Writer } from './upload.ts';

export class RegistryClient {
  readonly performers: Performers;

  constructor(settings: WorkerSettings) {
    const { config, limits } = settings;
    const http = new Http(settings);
    const sites = new Sites(http);
    const reader = new Reader(config, limits, sites);
    const writer = new Writer(reader, limits);
    const rate = new ByteRate(config.downloadRate);
    const downloads = new Slots(config.downloadsMax);
    const uploads = new Slots(config.uploadsMax);
    this.performers = {
      manifest: ({ target, digest }, options) => readManifest(reader, target, digest, options),
      head: ({ target }, options) => headManifest(reader, target, options),
      tags: ({ target }, options) => listTags(reader, target, options),
      download: async ({ target, blob, file }, options) => {
        using _slot = await downloads.take(options.signal);
        await download({ reader, rate, target, blob, options }, file);
      },
      hasBlob: (args, options) => writer.hasBlob(args, options),
      mountBlob: (args, options) => writer.mountBlob(args, options),
      upload: async (args, options) => {
        using _slot = await uploads.take(options.signal);
        await writer.upload(args, options);
      },
      putManifest: (args, options) => writer.putManifest(args, options),
      search: (wish, options) => search({ http, reader }, wish, options),
      login: ({ auth }, options) => login(reader, auth, options),
    };
  }
}
