// Moved to base/, where the command line reads names too.
export * from '#base/reference.ts';
