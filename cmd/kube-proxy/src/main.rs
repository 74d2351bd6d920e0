//! kube-proxy: parse, configure, run, exit code.
mod family;
mod pace;
mod source;
mod start;
mod sync;
mod sysctl;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let get = |n: &str| args.iter().position(|a| a == n).map(|i| args[i + 1].clone());
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let text = std::fs::read_to_string(get("--config").unwrap())?;
    let config = config::decode(&text)?.config.check().map_err(|e| anyhow::anyhow!("{e:?}"))?;
    let (tx, rx) = std::sync::mpsc::channel();
    source::follow_directory(get("--manifests").unwrap().into(), tx)?;
    let first = rx.recv()?;
    let sync::Wake::Changed(batch) = first else { return Ok(()) };
    let node = start::identify(&get("--hostname-override").unwrap(), &config, &batch)?;
    let mut families = start::families(&config, &node)?;
    let (tx2, rx2) = std::sync::mpsc::channel();
    tx2.send(sync::Wake::Changed(batch))?;
    std::thread::spawn(move || { for w in rx { let _ = tx2.send(w); } });
    sync::run(&rx2, &mut families);
    Ok(())
}
