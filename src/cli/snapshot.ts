// What the commands of containers' snapshots share.
export function snapshotsPath(container: string, name?: string): string {
  const path = `/coracle/containers/${encodeURIComponent(container)}/snapshots`;
  return name === undefined ? path : `${path}/${encodeURIComponent(name)}`;
}
