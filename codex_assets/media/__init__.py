"""Pure decisions about media: facts in, argument lists and judgements out. No process, network, clock or Dagster."""
