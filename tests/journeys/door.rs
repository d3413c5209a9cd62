//! An address with instances of a server behind it, as a load balancer or a name has them: whoever comes is led to the
//! one that is said.

use std::io;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// An open door. Closes, with all that came through it, when dropped.
pub struct Door {
    /// What a peer is told to find it.
    pub url: String,
    behind: Arc<Mutex<String>>,
    _runtime: Runtime,
}

impl Door {
    /// Leads to the server at `address`.
    pub fn to(address: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let behind = Arc::new(Mutex::new(address.to_owned()));
        let leads_to = behind.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let address = leads_to.lock().unwrap().clone();
                tokio::spawn(lead(stream, address));
            }
        });
        Door { url, behind, _runtime: runtime }
    }

    /// Leads whoever comes from now on to the server at `address`; those who are inside stay where they are.
    pub fn lead_to(&self, address: &str) {
        address.clone_into(&mut self.behind.lock().unwrap());
    }
}

// Where nobody is behind it, or not any more, the one who came is sent away.
async fn lead(mut stream: TcpStream, address: String) -> io::Result<()> {
    let mut server = TcpStream::connect(address).await?;
    tokio::io::copy_bidirectional(&mut stream, &mut server).await?;
    Ok(())
}
