// Two lists of words for generated names: a mood and a boat.

export const ADJECTIVES = [
  'able', 'agile', 'alert', 'amber', 'ample', 'ardent', 'azure', 'balmy', 'bold', 'brave',
  'breezy', 'bright', 'brisk', 'calm', 'candid', 'cheery', 'civil', 'clear', 'clever', 'cosy',
  'crisp', 'daring', 'deft', 'eager', 'early', 'easy', 'elated', 'fair', 'famous', 'fine',
  'fleet', 'fluent', 'fond', 'frank', 'free', 'fresh', 'gentle', 'glad', 'golden', 'grand',
  'handy', 'happy', 'hardy', 'honest', 'humble', 'jolly', 'keen', 'kind', 'lively', 'loyal',
  'lucid', 'lucky', 'mellow', 'merry', 'mild', 'modest', 'neat', 'nimble', 'noble', 'patient',
  'placid', 'polite', 'prompt', 'proud', 'quick', 'quiet', 'ready', 'robust', 'rosy', 'sage',
  'serene', 'sharp', 'silent', 'silver', 'smart', 'snug', 'solid', 'spry', 'steady', 'stoic',
  'sturdy', 'subtle', 'sunny', 'swift', 'tender', 'tidy', 'trusty', 'upbeat', 'vivid', 'warm',
  'wise', 'witty', 'woven', 'zesty',
] as const;

export const BOATS = [
  'ark', 'barge', 'bark', 'barque', 'brig', 'caique', 'canoe', 'caravel', 'carrack', 'catboat',
  'clipper', 'cog', 'coracle', 'corvette', 'currach', 'cutter', 'dhow', 'dinghy', 'dory',
  'dragger', 'felucca', 'ferry', 'frigate', 'galleon', 'galley', 'gondola', 'hooker', 'jolly',
  'junk', 'kayak', 'keelboat', 'ketch', 'knarr', 'launch', 'lighter', 'longboat', 'longship',
  'lugger', 'moses', 'oomiak', 'packet', 'pinnace', 'pirogue', 'pontoon', 'praam', 'proa',
  'punt', 'quffa', 'raft', 'sampan', 'schooner', 'scow', 'scull', 'shallop', 'skiff', 'sloop',
  'smack', 'snow', 'tender', 'trawler', 'trimaran', 'tugboat', 'umiak', 'wherry', 'xebec',
  'yacht', 'yawl', 'yole',
] as const;
