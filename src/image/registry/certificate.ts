// certs.d, as Docker has it: HOST[:PORT]/{*.crt, *.cert, *.key} are authorities that are trusted
// for that registry, and certificates of ours with their keys. Which file is what; reading is
// elsewhere.
import { EngineError } from '#base/error.ts';

export const CERTIFICATES_MAX = 100;
export const CERTIFICATE_BYTES_MAX = 1024 * 1024;

export type CertificateFiles = {
  readonly authorities: readonly string[];
  readonly pairs: readonly { readonly certificate: string; readonly key: string }[];
};

/** Names of files in the folder; throws for a certificate without its key, and the reverse. */
export function certificateFiles(folder: string, names: readonly string[]): CertificateFiles {
  const bad = (why: string) =>
    new EngineError('invalid_argument', `${folder}: ${why}`, { facts: { folder } });
  const all = names.toSorted();
  const ending = (text: string) => all.filter((name) => name.endsWith(text));
  const swap = (name: string, from: string, to: string) => `${name.slice(0, -from.length)}${to}`;
  const certificates = ending('.cert');
  const authorities = ending('.crt');
  for (const key of ending('.key')) {
    const certificate = swap(key, '.key', '.cert');
    if (!certificates.includes(certificate)) {
      throw bad(`missing client certificate ${certificate} for key ${key}`);
    }
  }
  const pairs = certificates.map((certificate) => {
    const key = swap(certificate, '.cert', '.key');
    if (all.includes(key)) return { certificate, key };
    throw bad(
      `missing key ${key} for client certificate ${certificate}. CA certificates must use the extension .crt`,
    );
  });
  if (authorities.length + pairs.length > CERTIFICATES_MAX) {
    throw bad(`more than ${CERTIFICATES_MAX} certificates`);
  }
  return { authorities, pairs };
}
