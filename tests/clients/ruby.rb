# Reads {"how", "text"} lines, has the generated Ruby models read the text and write it again, answers in lines.
# Only the models are loaded: the client around them needs an HTTP library, and reads with symbolize_names as here.
require 'date'
require 'json'
require 'set'
require 'time'

library = File.expand_path(ARGV[0])
$LOAD_PATH.unshift(library)
require 'run_client/api_model_base'
Dir[File.join(library, 'run_client', 'models', '*.rb')].sort.each { |file| require file }
$stderr = File.open(File::NULL, 'w') # each call of valid? says that it is deprecated

def valid(run)
  run.valid?
rescue StandardError => e
  "#{e.class}: #{e.message.lines.first.strip}"
end

def answer(how, text)
  run = RunClient::RunObject.build_from_hash(JSON.parse(text, symbolize_names: how != 'strings'))
  { wire: run.to_hash, valid: valid(run) }
rescue StandardError => e
  { error: "#{e.class}: #{e.message}" }
end

$stdin.each_line do |line|
  asked = JSON.parse(line)
  puts JSON.generate(answer(asked['how'], asked['text']))
  $stdout.flush
end
