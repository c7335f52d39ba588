import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.security.UserGroupInformation;

/**
 * Makes folders in HDFS, each an argument "PATH OWNER MODE", as root, or with Kerberos as hdfs from the services' keytab.
 */
public class Folders {
    public static void main(String[] folders) throws Exception {
        Configuration configuration = new Configuration();
        UserGroupInformation.setConfiguration(configuration);
        if (UserGroupInformation.isSecurityEnabled()) {
            UserGroupInformation.loginUserFromKeytab("hdfs/localhost", System.getProperty("keytab"));
        }
        FileSystem files = FileSystem.get(configuration);
        for (String folder : folders) {
            String[] said = folder.split(" ");
            files.mkdirs(new Path(said[0]));
            files.setOwner(new Path(said[0]), said[1], null);
            files.setPermission(new Path(said[0]), new FsPermission(said[2]));
        }
    }
}
